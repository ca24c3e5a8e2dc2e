package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// value is a setting's place in a Config. It has the methods of pflag.Value.
// Set replaces what was there; its error does not repeat the input, since the
// caller knows whether that may be shown.
type value interface {
	Set(string) error
	String() string
	Type() string
}

// many is a value that takes several.
type many interface {
	value
	Items() []string
}

type (
	text     string
	boolean  bool
	integer  int
	duration time.Duration
	list     []string
	prefixes []netip.Prefix
)

func (v *text) Set(s string) error { *v = text(s); return nil }
func (v *text) String() string     { return string(*v) }
func (v *text) Type() string       { return "string" }

func (v *boolean) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("want true or false")
	}
	*v = boolean(b)
	return nil
}
func (v *boolean) String() string { return strconv.FormatBool(bool(*v)) }
func (v *boolean) Type() string   { return "bool" }

func (v *integer) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return fmt.Errorf("want a whole number")
	}
	*v = integer(n)
	return nil
}
func (v *integer) String() string { return strconv.Itoa(int(*v)) }
func (v *integer) Type() string   { return "int" }

func (v *duration) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("want a time with its unit, like 25s or 1m30s")
	}
	*v = duration(d)
	return nil
}
func (v *duration) String() string { return time.Duration(*v).String() }
func (v *duration) Type() string   { return "duration" }

func (v *list) Set(s string) error {
	*v = split(s)
	return nil
}
func (v *list) String() string  { return strings.Join(*v, ",") }
func (v *list) Type() string    { return "list" }
func (v *list) Items() []string { return *v }

func (v *prefixes) Set(s string) error {
	var out []netip.Prefix
	for _, item := range split(s) {
		p, err := netip.ParsePrefix(item)
		if addr, aerr := netip.ParseAddr(item); err != nil && aerr == nil {
			p, err = addr.Prefix(addr.BitLen()) // one address
		}
		if err != nil {
			return fmt.Errorf("want addresses with prefix lengths, like 10.0.0.0/8")
		}
		out = append(out, p.Masked())
	}
	*v = out
	return nil
}
func (v *prefixes) String() string { return strings.Join(v.Items(), ",") }
func (v *prefixes) Type() string   { return "list" }
func (v *prefixes) Items() (out []string) {
	for _, p := range *v {
		out = append(out, p.String())
	}
	return out
}

// Size is a number of bytes; text may use KiB, MiB, GiB, TiB.
type Size int64

// units are powers of 1024, largest first so that String finds the best.
func units() []struct {
	suffix string
	n      int64
} {
	return []struct {
		suffix string
		n      int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}
}

// Set implements pflag.Value.
func (v *Size) Set(s string) error {
	number, unit := strings.TrimSuffix(s, "B"), int64(1)
	for _, u := range units() {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = n, u.n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("want a size, like 268435456 or 256MiB")
	}
	*v = Size(n * unit)
	return nil
}

// String gives the shortest exact form.
func (v Size) String() string {
	for _, u := range units() {
		if int64(v) >= u.n && int64(v)%u.n == 0 {
			return strconv.FormatInt(int64(v)/u.n, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(v), 10)
}

// Type implements pflag.Value.
func (v *Size) Type() string { return "size" }

// split cuts at commas and drops what is blank.
func split(s string) (out []string) {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
