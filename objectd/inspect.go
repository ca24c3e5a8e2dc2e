package objectd

import (
	"encoding/binary"

	"catena/chain"
	"catena/chain/index"

	"github.com/cespare/xxhash/v2"
)

// Item is one row of an index replica, or one sealed chunk of a data replica:
// what names it, and a checksum of everything that it says and holds.
type Item struct {
	Name string
	Sum  uint64
}

// Inspect calls visit for everything that a replica holds, in order, until it
// returns false; bytes are read and verified. applied is zero for a data
// replica. What is written meanwhile may be seen or not. It is for tests, and
// for people who want to compare the replicas of a chain.
func (n *Node) Inspect(c chain.ChainID, id chain.ReplicaID, visit func(Item) bool) (applied index.Applied, err error) {
	r := n.lookup(address{c, id})
	if r == nil || !r.base().disk.enter() {
		return applied, n.absent(c)
	}
	defer r.base().disk.leave()
	if err := r.base().disk.failed(); err != nil {
		return applied, err
	}
	if r, ok := r.(*indexReplica); ok {
		return r.inspect(visit)
	}
	return applied, r.(*dataReplica).inspect(visit)
}

func (r *indexReplica) inspect(visit func(Item) bool) (index.Applied, error) {
	applied, err := r.disk.st.Applied(r.key)
	if err != nil {
		return applied, err
	}
	for from := []byte(nil); ; {
		page, err := r.disk.st.ReadPage(r.key, from, pageRows, pageBytes)
		if err != nil {
			return applied, err
		}
		for i := range page.Rows {
			row := &page.Rows[i]
			h := xxhash.New()
			_, _ = h.Write(row.Value) // never fails
			_, _ = h.Write([]byte{0})
			_, _ = h.Write(row.Payload)
			if !visit(Item{Name: string(row.Key), Sum: h.Sum64()}) {
				return applied, nil
			}
		}
		if from = page.Next; from == nil {
			return applied, nil
		}
	}
}

func (r *dataReplica) inspect(visit func(Item) bool) error {
	for after, more := (chain.ChunkID{}), true; more; {
		chunks, next, err := r.disk.st.List(r.key, after, 128)
		if err != nil {
			return err
		}
		for i := range chunks {
			h := &chunks[i].Header
			b, err := r.disk.st.ReadChunk(r.key, h.ID, 0, h.Size)
			if err != nil {
				return err
			}
			d := xxhash.New()
			_, _ = d.Write(b) // never fails
			_, _ = d.WriteString(h.Key)
			_, _ = d.Write(h.Bucket[:])
			_, _ = d.Write(binary.LittleEndian.AppendUint64(nil, uint64(h.Stamp)))
			if !visit(Item{Name: h.ID.String(), Sum: d.Sum64()}) {
				return nil
			}
			after = h.ID
		}
		more = next && len(chunks) > 0
	}
	return nil
}
