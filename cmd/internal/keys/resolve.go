package keys

import (
	"errors"
	"fmt"
	"io/fs"

	"catena/cmd/internal/dirfile"
)

// Found is what one DIR holds.
type Found struct {
	Dir string
	// Keys is set when Err is nil.
	Keys Keys
	// Err is fs.ErrNotExist for a DIR without a file.
	Err error
}

// Source says where the keys in use came from.
type Source string

// The sources.
const (
	Made     Source = "made"        // just now, on a fresh node
	Stored   Source = "stored"      // from the DIRs
	Given    Source = "given"       // from the environment; none were stored
	Replaced Source = "environment" // from the environment, over different stored ones
)

// Decision is which keys are used and where they have to be written.
type Decision struct {
	Keys   Keys
	Source Source
	// Write are the DIRs that do not hold exactly these keys.
	Write []string
	// Notes are sentences for the log, without secrets.
	Notes []string
}

// ErrNoKeys says that an existing node has no readable keys.
var ErrNoKeys = errors.New("no directory has a readable keys file: set CATENA_ACCESS_KEY and CATENA_SECRET_KEY once to store new ones")

// Resolve decides, without I/O. The pair given by the environment may be zero.
// On a fresh node made is called when neither has keys; it may not be nil.
func Resolve(found []Found, given Pair, fresh bool, made func() Keys) (Decision, error) {
	if !given.IsZero() {
		if err := given.Validate(); err != nil {
			return Decision{}, err
		}
	}
	d := Decision{Source: Stored}
	best, ok := highest(found)
	d.Keys = best
	for _, f := range found {
		if f.Err != nil && !errors.Is(f.Err, fs.ErrNotExist) {
			if errors.Is(f.Err, dirfile.ErrNewer) {
				return Decision{}, fmt.Errorf("the keys file of directory %s was %w: start that release", f.Dir, f.Err)
			}
			d.Notes = append(d.Notes, fmt.Sprintf("the keys file of directory %s is unreadable (%v) and is written anew", f.Dir, f.Err))
		}
	}
	switch {
	case !ok && given.IsZero() && !fresh:
		return Decision{}, ErrNoKeys
	case !ok:
		d.Keys, d.Source = made(), Made
		d.Keys.Counter = 1
		if !given.IsZero() {
			d.Keys.Pair, d.Source = given, Given
		}
	case !given.IsZero() && given != best.Pair:
		d.Keys.Pair, d.Source = given, Replaced
		d.Keys.Counter = best.Counter + 1
		d.Notes = append(d.Notes, fmt.Sprintf("the stored keys (access key %s) are replaced by those of the environment (access key %s)", best.Access, given.Access))
	}
	for _, f := range found {
		if f.Err != nil || f.Keys.Counter != d.Keys.Counter || !f.Keys.same(d.Keys) {
			d.Write = append(d.Write, f.Dir)
		}
	}
	return d, nil
}

// highest gives the keys with the highest counter; ties go by content.
func highest(found []Found) (best Keys, ok bool) {
	for _, f := range found {
		if f.Err != nil {
			continue
		}
		k := f.Keys
		if !ok || k.Counter > best.Counter || k.Counter == best.Counter && k.rank() > best.rank() {
			best, ok = k, true
		}
	}
	return best, ok
}

// Read looks at every DIR.
func Read(fsys dirfile.FS, dirs []string) []Found {
	out := make([]Found, len(dirs))
	for i, dir := range dirs {
		out[i].Dir = dir
		_, body, err := dirfile.Read(fsys, dir, FileName, fileKind())
		if err == nil {
			out[i].Keys, err = unmarshal(body)
		}
		out[i].Err = err
	}
	return out
}

// Load resolves the keys of a node and writes them where they are not yet. The
// DIRs must be locked (package identity). A DIR that
// cannot be written does not stop the start as long as one DIR has the keys,
// except on a fresh node, which must begin whole.
func Load(fsys dirfile.FS, dirs []string, given Pair, fresh bool) (Decision, error) {
	d, err := Resolve(Read(fsys, dirs), given, fresh, func() Keys {
		return Keys{Pair: NewPair(), NodeSecret: newNodeSecret()}
	})
	if err != nil {
		return Decision{}, err
	}
	body, err := d.Keys.marshal()
	if err != nil {
		return Decision{}, err
	}
	failed := 0
	for _, dir := range d.Write {
		if err := dirfile.Write(fsys, dir, FileName, fileKind(), body, 0o600); err != nil {
			if fresh {
				return Decision{}, fmt.Errorf("the keys cannot be stored: directory %s: %w", dir, err)
			}
			failed++
			d.Notes = append(d.Notes, fmt.Sprintf("the keys could not be written to directory %s: %v", dir, err))
		}
	}
	if failed > 0 && failed == len(dirs) {
		return Decision{}, errors.New("the keys could be stored on no directory")
	}
	return d, nil
}
