package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"

	"catena/chain"
	"catena/cmd/internal/dirfile"
)

const (
	// FileName is the identity file of a DIR.
	FileName = "identity"
	// LockName is the file whose flock says that a DIR is in use.
	LockName = "LOCK"
	// DefaultSegmentSize is the segment size of a new node, in bytes.
	DefaultSegmentSize = 64 << 20
	// MaxVoters is how many DIRs of a node hold a voter of the masters.
	MaxVoters = 3
	// maxStores bounds the record, replaced stores included.
	maxStores = 1024
)

// fileKind is the identity file's kind and version.
func fileKind() dirfile.Kind { return dirfile.Kind{Name: "identity", Version: 1} }

// knownIncompatible are the bits of File.Incompatible that this release knows.
const knownIncompatible = 0

// File is the content of a DIR's identity file.
type File struct {
	// Store is the store in this very directory. It never changes.
	Store chain.StoreID `json:"store"`
	// Incompatible are feature bits without which the DIR must not be used.
	Incompatible uint64 `json:"incompatible"`
	Record       Record `json:"record"`
}

// Record is what every DIR of a node knows of all of them.
type Record struct {
	Cluster chain.ClusterID `json:"cluster"`
	Node    chain.ID128     `json:"node"`
	// Generation rises by one with each change; never 0 on disk.
	Generation uint64 `json:"generation"`
	// Formed is set once every DIR of the first start has its identity.
	// Nothing is served, and no voter exists, before.
	Formed bool `json:"formed"`
	// SegmentSize is in bytes and fixed at the first start.
	SegmentSize int64 `json:"segment_size"`
	// Stores holds every store that ever was, oldest first. Ids are unique.
	Stores []Store `json:"stores"`
}

// Store is one line of the record.
type Store struct {
	ID chain.StoreID `json:"id"`
	// Path is absolute and clean: where the store was seen last.
	Path string `json:"path"`
	// Voter follows Raft's own configuration: a lost or replaced store keeps
	// it until Raft has removed the voter, and counts as missing until then.
	Voter bool `json:"voter"`
	// Incarnation is the one in which the store must run, from 1.
	Incarnation uint64 `json:"incarnation"`
	// ReplacedBy is set once another store has its place, and never unset.
	ReplacedBy chain.StoreID `json:"replaced_by,omitzero"`
}

// Replaced reports whether the store is out of use for ever.
func (s Store) Replaced() bool { return !s.ReplacedBy.IsZero() }

// Find gives the line of a store.
func (r *Record) Find(id chain.StoreID) (*Store, bool) {
	for i := range r.Stores {
		if r.Stores[i].ID == id {
			return &r.Stores[i], true
		}
	}
	return nil, false
}

// Voters gives the ids of the recorded voters.
func (r *Record) Voters() []chain.StoreID {
	var ids []chain.StoreID
	for _, s := range r.Stores {
		if s.Voter {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// Clone gives a copy that shares nothing.
func (r Record) Clone() Record {
	r.Stores = slices.Clone(r.Stores)
	return r
}

// Equal reports whether both say the same.
func (r Record) Equal(o Record) bool { return reflect.DeepEqual(r, o) }

// Validate reports everything that cannot be true of a record.
func (r Record) Validate() error {
	var errs []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	add(r.Cluster.IsZero(), "no cluster id")
	add(r.Node.IsZero(), "no node id")
	add(r.Generation == 0, "generation 0")
	add(r.SegmentSize < 4096 || r.SegmentSize > 1<<30, "a segment size of %d bytes", r.SegmentSize)
	add(len(r.Stores) == 0 || len(r.Stores) > maxStores, "%d stores", len(r.Stores))
	add(len(r.Voters()) == 0, "no voters")
	seen := map[chain.StoreID]bool{}
	for _, s := range r.Stores {
		add(s.ID.IsZero(), "a store without id")
		add(seen[s.ID], "store %s twice", s.ID)
		add(!filepath.IsAbs(s.Path), "store %s at the path %q", s.ID, s.Path)
		add(s.Incarnation == 0, "store %s in incarnation 0", s.ID)
		add(s.Replaced() && s.ReplacedBy == s.ID, "store %s replaced by itself", s.ID)
		seen[s.ID] = true
	}
	for _, s := range r.Stores {
		add(s.Replaced() && !seen[s.ReplacedBy], "store %s replaced by an unknown one", s.ID)
	}
	return errors.Join(errs...)
}

// Marshal gives the body of the identity file.
func (f File) Marshal() ([]byte, error) {
	b, err := json.Marshal(f)
	return append(b, '\n'), err
}

// Unmarshal reads the body of an identity file and checks it. The error is
// dirfile.ErrDamaged or dirfile.ErrNewer, with the reason.
func Unmarshal(body []byte) (File, error) {
	var f File
	if err := json.Unmarshal(body, &f); err != nil {
		return File{}, fmt.Errorf("%w: %v", dirfile.ErrDamaged, err)
	}
	if f.Incompatible&^knownIncompatible != 0 {
		return File{}, fmt.Errorf("%w (feature bits %#x)", dirfile.ErrNewer, f.Incompatible)
	}
	if err := f.Record.Validate(); err != nil {
		return File{}, fmt.Errorf("%w: %v", dirfile.ErrDamaged, err)
	}
	if _, ok := f.Record.Find(f.Store); !ok {
		return File{}, fmt.Errorf("%w: store %s is not in its own record", dirfile.ErrDamaged, f.Store)
	}
	return f, nil
}
