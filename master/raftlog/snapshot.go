package raftlog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// keepSnapshots is how many are kept: the newest, and one in case it is damaged.
const keepSnapshots = 2

const (
	snapPrefix = "snap-"
	// pieceSize is the payload of a data record of a snapshot.
	pieceSize = 64 << 10
)

// Snapshots is a voter's snapshots. They are small (the master's state) and are
// held in memory as well as on disk, so that a dead voter's can be answered.
type Snapshots struct {
	store *Store

	mu sync.Mutex
	// all are newest first.
	all []snapshot
}

type snapshot struct {
	meta raft.SnapshotMeta
	data []byte
}

var _ raft.SnapshotStore = (*Snapshots)(nil)

// openSnapshots reads and verifies every snapshot. One that is damaged is left
// out; if that leaves none, the log says whether one was needed: its first
// index is then above 1, and that is damage.
func openSnapshots(s *Store) (*Snapshots, error) {
	sn := &Snapshots{store: s}
	names, err := s.cfg.FS.List()
	if err != nil {
		return nil, fmt.Errorf("raftlog: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, snapPrefix) || strings.HasSuffix(name, tmpSuffix) {
			continue
		}
		one, err := readSnapshot(s.cfg.FS, name)
		if errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("raftlog: %s: %w", name, err)
		}
		sn.all = append(sn.all, one)
	}
	sn.sort()
	first := uint64(0)
	if len(s.logs) > 0 {
		first = s.logs[0].Index
	}
	if first > 1 && (len(sn.all) == 0 || sn.all[0].meta.Index+1 < first) {
		return nil, fmt.Errorf("%w: the log starts at %d and no readable snapshot reaches it", ErrDamaged, first)
	}
	return sn, nil
}

func (sn *Snapshots) sort() {
	slices.SortFunc(sn.all, func(a, b snapshot) int {
		if a.meta.Index != b.meta.Index {
			if a.meta.Index > b.meta.Index {
				return -1
			}
			return 1
		}
		return strings.Compare(b.meta.ID, a.meta.ID)
	})
}

func readSnapshot(dir FS, name string) (snapshot, error) {
	f, err := dir.OpenRW(name)
	if err != nil {
		return snapshot{}, err
	}
	defer f.Close()
	b, err := readAll(f, maxFile)
	if err != nil {
		return snapshot{}, err
	}
	var one snapshot
	kinds, whole := "", false
	_, err = scan(b, 0, func(r record) error {
		switch {
		case r.kind == kindMeta && kinds == "":
			kinds = "meta"
			return json.Unmarshal(r.payload, &one.meta)
		case r.kind == kindData && kinds == "meta" && !whole:
			one.data = append(one.data, r.payload...)
			return nil
		case r.kind == kindEnd && kinds == "meta" && len(r.payload) == 8:
			whole = binary.LittleEndian.Uint64(r.payload) == uint64(len(one.data))
			return nil
		}
		return ErrDamaged
	})
	if err != nil {
		return snapshot{}, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if !whole || one.meta.ID != name || one.meta.Size != int64(len(one.data)) {
		return snapshot{}, fmt.Errorf("%w: not whole", ErrDamaged)
	}
	return one, nil
}

// Create implements raft.SnapshotStore.
func (sn *Snapshots) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	if version != 1 {
		return nil, fmt.Errorf("raftlog: snapshot version %d", version)
	}
	return &sink{sn: sn, one: snapshot{meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%s%016x-%016x", snapPrefix, term, index), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}}, nil
}

// List implements raft.SnapshotStore.
func (sn *Snapshots) List() ([]*raft.SnapshotMeta, error) {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	var out []*raft.SnapshotMeta
	for i := range sn.all {
		m := sn.all[i].meta
		out = append(out, &m)
	}
	return out, nil
}

// Open implements raft.SnapshotStore.
func (sn *Snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	for i := range sn.all {
		if m := sn.all[i].meta; m.ID == id {
			return &m, io.NopCloser(bytes.NewReader(sn.all[i].data)), nil
		}
	}
	return nil, nil, fmt.Errorf("raftlog: no snapshot %s", id)
}

// sink collects a snapshot in memory and writes it at Close.
type sink struct {
	sn   *Snapshots
	one  snapshot
	done bool
}

func (k *sink) ID() string { return k.one.meta.ID }

func (k *sink) Write(b []byte) (int, error) {
	if len(k.one.data)+len(b) > maxFile/2 {
		return 0, errors.New("raftlog: a snapshot longer than it may be")
	}
	k.one.data = append(k.one.data, b...)
	return len(b), nil
}

func (k *sink) Cancel() error { k.done = true; return nil }

// Close makes the snapshot durable. On an I/O error the voter is dead, and the
// snapshot is in memory only.
func (k *sink) Close() error {
	if k.done {
		return nil
	}
	k.done = true
	k.one.meta.Size = int64(len(k.one.data))
	sn := k.sn
	sn.mu.Lock()
	defer sn.mu.Unlock()
	sn.all = slices.DeleteFunc(sn.all, func(o snapshot) bool { return o.meta.ID == k.one.meta.ID })
	sn.all = append(sn.all, k.one)
	sn.sort()
	drop := sn.all[min(keepSnapshots, len(sn.all)):]
	sn.all = sn.all[:len(sn.all)-len(drop)]
	if sn.store.Dead() == nil {
		if err := sn.save(&k.one, drop); err != nil {
			sn.store.kill(err)
		}
	}
	return nil
}

func (sn *Snapshots) save(one *snapshot, drop []snapshot) error {
	b, err := encodeSnapshot(one)
	if err != nil {
		return err
	}
	dir := sn.store.cfg.FS
	sn.store.busySince.Store(sn.store.cfg.Now().UnixNano())
	defer sn.store.busySince.Store(0)
	f, err := publish(dir, one.meta.ID, b)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, o := range drop {
		if o.meta.ID != one.meta.ID {
			if err := dir.Remove(o.meta.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func encodeSnapshot(one *snapshot) ([]byte, error) {
	meta, err := json.Marshal(one.meta)
	if err != nil {
		return nil, err
	}
	b := appendRecord(nil, 0, record{kind: kindMeta, payload: meta})
	for piece := range slices.Chunk(one.data, pieceSize) {
		b = appendRecord(b, 0, record{kind: kindData, payload: piece})
	}
	end := binary.LittleEndian.AppendUint64(nil, uint64(len(one.data)))
	return appendRecord(b, 0, record{kind: kindEnd, payload: end}), nil
}
