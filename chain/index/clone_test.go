package index

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// neverChanged are what a replica and its copy may share: once made, it is never
// changed. A new type of pointer, slice or map in a Replica is not here, and
// breaks the test until Clone copies it, or until it is shown to be immutable.
var neverChanged = map[reflect.Type]bool{
	reflect.TypeFor[*Entry]():            true,
	reflect.TypeFor[*Hello]():            true,
	reflect.TypeFor[*LeaseRequest]():     true,
	reflect.TypeFor[*PageRequest]():      true,
	reflect.TypeFor[[]byte]():            true,
	reflect.TypeFor[[]chain.ReplicaID](): true, // of a configuration
	reflect.TypeFor[Answer]():            true,
}

// notCopied are fields that a copy has of its own.
var notCopied = map[string]bool{
	".machine": true, ".cfg.Machine": true, ".out": true,
	".cfg.Recovered": true, // emptied when the replica is made
}

// leaf is a field without fields of its own.
type leaf struct {
	path, owner, field string
	v                  reflect.Value
}

// reach makes an unexported field readable and writable.
func reach(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// fill gives everything under v a value that is not zero, and calls visit for
// each leaf. Slices and maps get one element, nil pointers a target.
func fill(path, owner, field string, v reflect.Value, n *int64, visit func(leaf)) {
	v = reach(v)
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			fill(path+"."+f.Name, v.Type().Name(), f.Name, v.Field(i), n, visit)
		}
		return
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(path+"*", owner, field, v.Elem(), n, visit)
		return
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		fill(path+"[]", owner, field, v.Index(0), n, visit)
		return
	case reflect.Array:
		fill(path+"[]", owner, field, v.Index(0), n, visit)
		return
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(path+"{k}", owner, field, key, n, func(leaf) {})
		fill(path+"{v}", owner, field, value, n, func(leaf) {})
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1 + *n%100)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(1 + *n%100))
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[Answer]() {
			v.Set(reflect.ValueOf(fmt.Sprint("a", *n)))
		}
	default:
		panic("a field of kind " + v.Kind().String())
	}
	visit(leaf{path, owner, field, v})
}

// filled is a replica in which no field is zero, but that of the rules.
func filled(visit func(leaf)) *Replica {
	r := &Replica{}
	var n int64
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Name != "rules" && f.Name != "out" {
			fill("."+f.Name, "Replica", f.Name, v.Field(i), &n, visit)
		}
	}
	r.cfg.Recovered = Recovered{}
	return r
}

// compare fails where b differs from a, or shares something that may change.
func compare(t *testing.T, path string, a, b reflect.Value) {
	a, b = reach(a), reach(b)
	if notCopied[path] {
		return
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			compare(t, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
		return
	case reflect.Pointer, reflect.Slice, reflect.Map:
		require.False(t, a.IsNil(), "%s was not filled", path)
		require.Equal(t, neverChanged[a.Type()], a.Pointer() == b.Pointer(), "%s of type %s: shared, or copied without need", path, a.Type())
	}
	switch a.Kind() {
	case reflect.Pointer:
		compare(t, path+"*", a.Elem(), b.Elem())
	case reflect.Slice:
		require.Equal(t, a.Len(), b.Len(), path)
		compare(t, path+"[]", a.Index(0), b.Index(0))
	default:
		require.Equal(t, a.Interface(), b.Interface(), path)
		require.False(t, a.IsZero(), "%s was not filled", path)
	}
}

func TestCloneCopiesEveryField(t *testing.T) {
	r := filled(func(leaf) {})
	m := &words{}
	c := r.Clone(m)
	require.Same(t, m, c.machine)
	require.Same(t, m, c.cfg.Machine)
	a, b := reflect.ValueOf(r).Elem(), reflect.ValueOf(c).Elem()
	for i := range a.NumField() {
		f := a.Type().Field(i)
		if f.Name != "rules" {
			compare(t, "."+f.Name, a.Field(i), b.Field(i))
		}
	}
	require.Equal(t, r.rules, c.rules)
}

// TestFingerprintSeesEveryField changes one field after the other.
func TestFingerprintSeesEveryField(t *testing.T) {
	var leaves []leaf
	r := filled(func(l leaf) { leaves = append(leaves, l) })
	r.now.Mono = 0
	r.writes[0].token, r.token = 5, 1000
	print := func() Hash {
		var h Hash
		r.Fingerprint(&h)
		return h
	}
	before := print()
	require.Equal(t, before, print())
	require.Greater(t, len(leaves), 100)
	for _, l := range leaves {
		old := reflect.New(l.v.Type()).Elem()
		old.Set(l.v)
		l.v.SetZero()
		changed := print() != before
		l.v.Set(old)
		if strings.HasPrefix(l.path, ".cfg.") || l.path == ".token" {
			continue // the same in every state; what the other tokens are counted from
		}
		if hidden(l) {
			require.False(t, changed, l.path)
			continue
		}
		require.True(t, changed, "%s does not count", l.path)
	}
}

// hidden: the leaf, or what it is in, is named in ruleOf as of no consequence;
// or it is a part of an entry that its digest covers.
func hidden(l leaf) bool {
	parts := strings.FieldsFunc(l.path, func(r rune) bool { return strings.ContainsRune(".*[]{}", r) })
	if ruleOf("Replica", parts[0]) == ignored || ruleOf(l.owner, l.field) == ignored {
		return true
	}
	if l.owner == "Entry" || strings.Contains(l.path, ".e*") {
		return !strings.Contains(l.path, ".e*.Digest") && !strings.Contains(l.path, ".e*.Seq") &&
			!strings.Contains(l.path, ".e*.Epoch") && !strings.Contains(l.path, ".e*.Body")
	}
	return false
}
