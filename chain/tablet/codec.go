package tablet

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"catena/chain"
)

// formatVersion begins every value. A value is: version (1 byte), compatible
// flags (varint), incompatible flags (varint), then fields in protobuf wire
// encoding. Unknown compatible flags and fields are ignored; another version or
// an unknown incompatible flag is an error.
const formatVersion = 1

// knownIncompatible are the incompatible flags that this release understands.
const knownIncompatible uint64 = 0

// FormatError says that bytes are not in a format that this release knows.
type FormatError struct {
	What   string // which row or message
	Detail string
}

// Error implements error.
func (e *FormatError) Error() string { return "tablet: " + e.What + ": " + e.Detail }

func formatErr(what, format string, args ...any) error {
	return &FormatError{What: what, Detail: fmt.Sprintf(format, args...)}
}

// enc appends fields; zero values are left out.
type enc struct{ b []byte }

// newValue starts a value with its header.
func newValue() *enc { return &enc{b: append(make([]byte, 0, 192), formatVersion, 0, 0)} }

func (e *enc) uint(n protowire.Number, v uint64) {
	if v != 0 {
		e.b = protowire.AppendTag(e.b, n, protowire.VarintType)
		e.b = protowire.AppendVarint(e.b, v)
	}
}

func (e *enc) sint(n protowire.Number, v int64) { e.uint(n, protowire.EncodeZigZag(v)) }

func (e *enc) bool(n protowire.Number, v bool) {
	if v {
		e.uint(n, 1)
	}
}

func (e *enc) bytes(n protowire.Number, v []byte) {
	if len(v) > 0 {
		e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
		e.b = protowire.AppendBytes(e.b, v)
	}
}

func (e *enc) str(n protowire.Number, v string) {
	if v != "" {
		e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
		e.b = protowire.AppendString(e.b, v)
	}
}

func (e *enc) id(n protowire.Number, v chain.ID128) {
	if !v.IsZero() {
		e.bytes(n, v[:])
	}
}

// msg appends a nested message, also when it is empty.
func (e *enc) msg(n protowire.Number, fn func(*enc)) {
	var sub enc
	fn(&sub)
	e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
	e.b = protowire.AppendBytes(e.b, sub.b)
}

// field is one field of a message. Accessors check its wire type and bounds.
type field struct {
	what string
	num  protowire.Number
	typ  protowire.Type
	v    uint64
	s    []byte
}

func (f field) bad(detail string) error { return formatErr(f.what, "field %d: %s", f.num, detail) }

func (f field) uint(dst *uint64) error {
	if f.typ != protowire.VarintType {
		return f.bad("not a number")
	}
	*dst = f.v
	return nil
}

func (f field) uint32(dst *uint32) error {
	if f.typ != protowire.VarintType || f.v > 1<<32-1 {
		return f.bad("not a 32-bit number")
	}
	*dst = uint32(f.v)
	return nil
}

func (f field) uint8(dst *uint8) error {
	if f.typ != protowire.VarintType || f.v > 255 {
		return f.bad("not an 8-bit number")
	}
	*dst = uint8(f.v)
	return nil
}

func (f field) sint(dst *int64) error {
	if f.typ != protowire.VarintType {
		return f.bad("not a number")
	}
	*dst = protowire.DecodeZigZag(f.v)
	return nil
}

// size is a sint that is not negative.
func (f field) size(dst *int64) error {
	if err := f.sint(dst); err != nil {
		return err
	}
	if *dst < 0 {
		return f.bad("negative")
	}
	return nil
}

func (f field) bool(dst *bool) error {
	if f.typ != protowire.VarintType || f.v > 1 {
		return f.bad("not a truth value")
	}
	*dst = f.v == 1
	return nil
}

// raw gives the bytes without a copy.
func (f field) raw(dst *[]byte, max int) error {
	if f.typ != protowire.BytesType {
		return f.bad("not bytes")
	}
	if len(f.s) > max {
		return f.bad(fmt.Sprintf("%d bytes, at most %d", len(f.s), max))
	}
	*dst = f.s
	return nil
}

func (f field) bytes(dst *[]byte, max int) error {
	if err := f.raw(dst, max); err != nil {
		return err
	}
	*dst = append([]byte(nil), *dst...)
	return nil
}

func (f field) str(dst *string, max int) error {
	var b []byte
	if err := f.raw(&b, max); err != nil {
		return err
	}
	*dst = string(b)
	return nil
}

func (f field) id(dst *chain.ID128) error {
	if f.typ != protowire.BytesType || len(f.s) != len(dst) {
		return f.bad("not an id")
	}
	copy(dst[:], f.s)
	return nil
}

// nested decodes a message inside a message.
func (f field) nested(what string, fn func(field) error) error {
	if f.typ != protowire.BytesType {
		return f.bad("not a message")
	}
	return fields(what, f.s, fn)
}

// add decodes one element of a repeated message into list, at most max.
func add[T any](list *[]T, max int, f field, fn func(*T, field) error) error {
	if len(*list) >= max {
		return f.bad(fmt.Sprintf("more than %d", max))
	}
	var v T
	if err := f.nested(f.what, func(f field) error { return fn(&v, f) }); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}

// fields calls fn for each field of a message.
func fields(what string, b []byte, fn func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return formatErr(what, "bad tag")
		}
		b = b[n:]
		f := field{what: what, num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			f.v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.s, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return formatErr(what, "field %d is cut off", num)
		}
		b = b[n:]
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

// open checks a value's header and gives the fields behind it.
func open(what string, b []byte, max int) ([]byte, error) {
	if len(b) > max {
		return nil, formatErr(what, "%d bytes, at most %d", len(b), max)
	}
	if len(b) == 0 || b[0] != formatVersion {
		return nil, formatErr(what, "unknown version")
	}
	b = b[1:]
	_, n := protowire.ConsumeVarint(b)
	if n < 0 {
		return nil, formatErr(what, "no flags")
	}
	b = b[n:]
	incompatible, n := protowire.ConsumeVarint(b)
	if n < 0 {
		return nil, formatErr(what, "no flags")
	}
	if unknown := incompatible &^ knownIncompatible; unknown != 0 {
		return nil, formatErr(what, "unknown incompatible flags %#x", unknown)
	}
	return b[n:], nil
}

// value opens a value and decodes its fields.
func value(what string, b []byte, max int, fn func(field) error) error {
	b, err := open(what, b, max)
	if err != nil {
		return err
	}
	return fields(what, b, fn)
}
