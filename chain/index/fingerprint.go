package index

import (
	"math/bits"
	"reflect"

	"catena/chain"
)

// Hash is a 128-bit hash of a sequence of numbers. The zero value is ready.
type Hash struct{ A, B uint64 }

// Add takes one more number.
func (h *Hash) Add(v uint64) {
	h.A = (bits.RotateLeft64(h.A, 27) ^ v) * 0x9E3779B97F4A7C15
	h.A ^= h.A >> 32
	h.B = bits.RotateLeft64(h.B+v*0xC2B2AE3D27D4EB4F, 31)*0xBF58476D1CE4E5B9 + 0x165667B19E3779F9
	h.B ^= h.B >> 29
}

// AddString takes a string and its length.
func (h *Hash) AddString(s string) {
	h.Add(uint64(len(s)))
	for len(s) >= 8 {
		h.Add(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	var last uint64
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	h.Add(last)
}

// Fingerprint adds to h everything that the replica's future depends on, given
// the present moment of its last step: two replicas with the same fingerprint do
// the same from now on. Left out, by name in ruleOf, is what only numbers
// events or repeats reports; deadlines that are over are all the same. A field
// that is not named there counts as it is.
func (r *Replica) Fingerprint(h *Hash) {
	f := fingerprint{r: r, h: h}
	f.fields(reflect.ValueOf(r).Elem())
}

// FingerprintMessage adds a message, whole.
func FingerprintMessage(h *Hash, m Message) {
	f := fingerprint{h: h}
	h.AddString(reflect.TypeOf(m).String())
	f.value(reflect.ValueOf(m))
}

type fieldRule uint8

const (
	counts   fieldRule = iota // as it is
	ignored                   // no behaviour depends on it
	token                     // only its order among the writes under way counts
	deadline                  // once over, it does not matter when
	recent                    // a moment in the past that matters for a quarter of a lease
)

// ruleOf names the fields that do not count as they are, and why.
func ruleOf(owner, field string) fieldRule {
	switch owner {
	case "Replica":
		switch field {
		case "cfg", "rules", "machine": // the same for every state of an exploration, or the caller's
			return ignored
		case "now", "out": // the caller's
			return ignored
		case "token", "readID": // only number what follows
			return ignored
		case "configToken":
			return token
		case "waitUntil":
			return deadline
		}
	case "write":
		if field == "token" {
			return token
		}
	case "commitPath":
		if field == "token" {
			return token
		}
	case "install":
		if field == "page" || field == "ended" {
			return token
		}
	case "pages":
		if field == "id" { // of a page that is read at once
			return ignored
		}
	case "lease":
		switch field {
		case "until", "published":
			return deadline
		case "asked":
			return recent
		case "granted": // for reports of silence
			return ignored
		}
	case "downLink":
		if field == "heard" || field == "owing" { // for reports of silence
			return ignored
		}
	case "reports":
		if field == "due" || field == "next" { // when a report is repeated
			return ignored
		}
	}
	return counts
}

// fingerprint walks values; r is nil for messages.
type fingerprint struct {
	r *Replica
	h *Hash
}

func (f *fingerprint) fields(v reflect.Value) {
	t := v.Type()
	for i := range v.NumField() {
		fv := v.Field(i)
		switch ruleOf(t.Name(), t.Field(i).Name) {
		case counts:
			f.value(fv)
		case token:
			f.h.Add(f.pending(fv.Uint()))
		case deadline:
			f.h.Add(pastOr(instant(fv), f.r.now.Mono))
		case recent:
			f.h.Add(pastOr(instant(fv).Add(f.r.cfg.Lease/4), f.r.now.Mono))
		}
	}
}

// pending is a token's place from the end of the writes under way.
func (f *fingerprint) pending(t uint64) uint64 {
	switch {
	case t == 0:
		return 0
	case len(f.r.writes) == 0 || t < f.r.writes[0].token:
		return 1 // on disk
	}
	return 2 + f.r.token - t
}

func (f *fingerprint) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		f.h.Add(n)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.h.Add(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f.h.Add(v.Uint())
	case reflect.String:
		f.h.AddString(v.String())
	case reflect.Struct:
		f.fields(v)
	case reflect.Pointer:
		f.pointer(v)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			f.bytes(v)
			return
		}
		f.h.Add(uint64(v.Len()))
		for i := range v.Len() {
			f.value(v.Index(i))
		}
	case reflect.Map:
		f.mapping(v)
	case reflect.Interface:
		f.answer(v)
	default:
		panic("index: fingerprint of a " + v.Type().String())
	}
}

func (f *fingerprint) pointer(v reflect.Value) {
	if v.IsNil() {
		f.h.Add(0)
		return
	}
	f.h.Add(1)
	if v.Type() == reflect.TypeFor[*Entry]() {
		e := v.Elem()
		f.value(e.FieldByName("Digest"))
		f.value(e.FieldByName("Seq"))
		f.value(e.FieldByName("Epoch"))
		f.value(e.FieldByName("Body"))
		return
	}
	f.value(v.Elem())
}

func (f *fingerprint) bytes(v reflect.Value) {
	n := v.Len()
	f.h.Add(uint64(n))
	var word uint64
	for i := range n {
		word = word<<8 | v.Index(i).Uint()
		if i%8 == 7 || i == n-1 {
			f.h.Add(word)
			word = 0
		}
	}
}

// mapping adds a map's pairs whatever their order.
func (f *fingerprint) mapping(v reflect.Value) {
	var sum Hash
	for it := v.MapRange(); it.Next(); {
		var one Hash
		g := fingerprint{r: f.r, h: &one}
		g.value(it.Key())
		g.value(it.Value())
		sum.A += one.A
		sum.B += one.B
	}
	f.h.Add(uint64(v.Len()))
	f.h.Add(sum.A)
	f.h.Add(sum.B)
}

// answer adds what a machine answered, by its fields.
func (f *fingerprint) answer(v reflect.Value) {
	if v.IsNil() {
		f.h.Add(0)
		return
	}
	f.h.AddString(v.Elem().Type().String())
	f.value(v.Elem())
}

func instant(v reflect.Value) chain.Instant { return chain.Instant(v.Int()) }

// pastOr is t, or the same value for every t that is over.
func pastOr(t, now chain.Instant) uint64 {
	if t <= now {
		return 0
	}
	return uint64(t)
}
