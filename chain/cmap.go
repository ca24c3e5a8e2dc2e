package chain

import (
	"bytes"
	"sort"
)

// StoreState is what the master knows of a store.
type StoreState uint8

// A store is live, failed (its disk or process is gone; it may come back), or
// replaced (another store has its place; it is never used again).
const (
	StoreLive     StoreState = 1
	StoreFailed   StoreState = 2
	StoreReplaced StoreState = 3
)

// Store is one disk as the master records it.
type Store struct {
	ID    StoreID    `json:"id"`
	State StoreState `json:"state"`
	// Domain names the failure domains from the widest to the narrowest:
	// zone, rack, host, disk.
	Domain [4]string `json:"domain"`
	// Replaces is the lost store in whose place this one came; zero if none.
	Replaces StoreID `json:"replaces"`
}

// Tablet is a range of (bucketID, user key), served by one index chain.
type Tablet struct {
	ID    TabletID `json:"id"`
	Chain ChainID  `json:"chain"`
	// Generation is raised by every change of the range; a request names it.
	Generation uint64 `json:"generation"`
	// Start is inclusive, End exclusive; an empty End is the end of all keys.
	// Both are owner keys: 16 bytes of bucketID, then the user key.
	Start []byte `json:"start"`
	End   []byte `json:"end"`
}

// Contains reports whether the tablet owns the key.
func (t *Tablet) Contains(owner []byte) bool {
	return bytes.Compare(owner, t.Start) >= 0 && (len(t.End) == 0 || bytes.Compare(owner, t.End) < 0)
}

// Map is what the master publishes: a consistent copy at one log index.
// A Map is never changed after it was published; readers share it.
type Map struct {
	Cluster ClusterID `json:"cluster"`
	// Version is the log index of the newest change; newer maps win.
	Version uint64             `json:"version"`
	Stores  []Store            `json:"stores"`
	Chains  map[ChainID]Config `json:"chains"`
	// Tablets are sorted by Start and cover every key once.
	Tablets []Tablet `json:"tablets"`
}

// Find returns the tablet that owns the key; nil only in an empty map.
func (m *Map) Find(owner []byte) *Tablet {
	i := sort.Search(len(m.Tablets), func(i int) bool { return bytes.Compare(m.Tablets[i].Start, owner) > 0 })
	if i == 0 {
		return nil
	}
	return &m.Tablets[i-1]
}

// Config returns the newest configuration of a chain.
func (m *Map) Config(id ChainID) (Config, bool) {
	c, ok := m.Chains[id]
	return c, ok
}

// OwnerKey is the key by which tablets are divided: bucketID, then user key.
func OwnerKey(bucket BucketID, key string) []byte {
	k := make([]byte, 0, 16+len(key))
	k = append(k, bucket[:]...)
	return append(k, key...)
}
