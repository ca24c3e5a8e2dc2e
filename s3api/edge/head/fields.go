package head

import "strings"

// Field is one header line: the name in lower case, the value without the
// white space around it and otherwise as it came.
type Field struct {
	Name  string
	Value string
}

// Fields are the header lines of one request in the order they came. Values of a
// repeated name are kept apart. Names given to the methods are in lower case.
type Fields []Field

// Get returns the first value of name, or "".
func (f Fields) Get(name string) string {
	v, _ := f.Lookup(name)
	return v
}

// Lookup returns the first value of name, and whether there is one.
func (f Fields) Lookup(name string) (string, bool) {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value, true
		}
	}
	return "", false
}

// Has reports whether a line of that name came, even an empty one.
func (f Fields) Has(name string) bool {
	_, ok := f.Lookup(name)
	return ok
}

// Count returns how many lines of that name came.
func (f Fields) Count(name string) int {
	n := 0
	for i := range f {
		if f[i].Name == name {
			n++
		}
	}
	return n
}

// Joined returns all values of name with a comma between them, as RFC 9110
// section 5.3 and the signature's canonical form have it.
func (f Fields) Joined(name string) string {
	first, n := "", 0
	for i := range f {
		if f[i].Name == name {
			if n == 0 {
				first = f[i].Value
			}
			n++
		}
	}
	if n < 2 {
		return first
	}
	vals := make([]string, 0, n)
	for i := range f {
		if f[i].Name == name {
			vals = append(vals, f[i].Value)
		}
	}
	return strings.Join(vals, ",")
}

// WithPrefix calls fn for every line whose name begins with prefix, in order.
func (f Fields) WithPrefix(prefix string, fn func(name, value string)) {
	for i := range f {
		if strings.HasPrefix(f[i].Name, prefix) {
			fn(f[i].Name, f[i].Value)
		}
	}
}
