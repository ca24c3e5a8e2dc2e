package objectd

import (
	"catena/chain"
	"catena/chain/data"
)

// ListChunks lists the headers of the sealed chunks of a replica after an id,
// in order, for the scan for orphans.
func (n *Node) ListChunks(c chain.ChainID, id chain.ReplicaID, after chain.ChunkID, max int) ([]data.Header, bool, error) {
	r, ok := n.lookup(address{c, id}).(*dataReplica)
	if !ok {
		return nil, false, n.absent(c)
	}
	if r.disk.failed() != nil {
		return nil, false, r.refusal(chain.RefusedFailed, "the store failed")
	}
	chunks, more, err := r.disk.st.List(r.key, after, max)
	if err != nil {
		return nil, false, r.refusal(chain.RefusedFailed, err.Error())
	}
	headers := make([]data.Header, len(chunks))
	for i := range chunks {
		headers[i] = chunks[i].Header
	}
	return headers, more, nil
}
