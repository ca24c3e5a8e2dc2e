package raftlog

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// ErrCut says that one of the two voters was cut, or is not there.
var ErrCut = errors.New("raftlog: the voter is not reachable")

// Hub joins the voters of one process. The library's own in-memory transport
// is not used: it forgets nothing of a peer that restarted, and an answer of a
// disconnected voter still arrives.
type Hub struct {
	// Timeout of one call; that of a snapshot is ten times as long. 2 s when 0.
	Timeout time.Duration

	mu     sync.Mutex
	voters map[raft.ServerAddress]*Transport
}

// Attach makes the transport of a voter that starts. One that was attached
// under the address before is cut.
func (h *Hub) Attach(addr raft.ServerAddress) *Transport {
	t := &Transport{hub: h, addr: addr, consumer: make(chan raft.RPC), cut: make(chan struct{})}
	h.mu.Lock()
	if h.voters == nil {
		h.voters = map[raft.ServerAddress]*Transport{}
	}
	old := h.voters[addr]
	h.voters[addr] = t
	h.mu.Unlock()
	if old != nil {
		old.Cut()
	}
	return t
}

func (h *Hub) find(addr raft.ServerAddress) *Transport {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.voters[addr]
}

func (h *Hub) timeout() time.Duration {
	if h.Timeout > 0 {
		return h.Timeout
	}
	return 2 * time.Second
}

// Nudge asks a voter to stand for election at once, as a leader that steps
// down would: the leader is known to be dead.
func (h *Hub) Nudge(addr raft.ServerAddress) error {
	t := h.find(addr)
	if t == nil {
		return ErrCut
	}
	_, err := t.deliver(nil, &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}}, nil, h.timeout())
	return err
}

// Transport is one voter's end. It implements raft.Transport.
type Transport struct {
	hub      *Hub
	addr     raft.ServerAddress
	consumer chan raft.RPC
	cut      chan struct{}
	once     sync.Once
	// heartbeat is the library's fast path around a main loop that is in the disk.
	heartbeat atomic.Pointer[func(raft.RPC)]
}

var (
	_ raft.Transport   = (*Transport)(nil)
	_ raft.WithPreVote = (*Transport)(nil)
	_ raft.WithClose   = (*Transport)(nil)
)

// Cut ends the transport for good: nothing it sends arrives, and no answer it
// gives is seen, also one to a call that is under way.
func (t *Transport) Cut() { t.once.Do(func() { close(t.cut) }) }

func (t *Transport) isCut() bool {
	select {
	case <-t.cut:
		return true
	default:
		return false
	}
}

// Close implements raft.WithClose.
func (t *Transport) Close() error {
	t.Cut()
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if t.hub.voters[t.addr] == t {
		delete(t.hub.voters, t.addr)
	}
	return nil
}

// call sends a request to another voter and waits for the answer.
func (t *Transport) call(target raft.ServerAddress, args any, data io.Reader, timeout time.Duration) (any, error) {
	if t.isCut() {
		return nil, ErrCut
	}
	peer := t.hub.find(target)
	if peer == nil {
		return nil, fmt.Errorf("%w: %s", ErrCut, target)
	}
	resp, err := peer.deliver(t.cut, args, data, timeout)
	if err == nil && t.isCut() {
		return nil, ErrCut
	}
	return resp, err
}

// deliver hands a request to this voter. from is the sender's cut.
func (t *Transport) deliver(from <-chan struct{}, args any, data io.Reader, timeout time.Duration) (any, error) {
	if t.isCut() {
		return nil, ErrCut
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	answer := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: args, Reader: data, RespChan: answer}
	if hb := t.heartbeat.Load(); hb != nil && isHeartbeat(args) {
		(*hb)(rpc)
	} else {
		select {
		case t.consumer <- rpc:
		case <-timer.C:
			return nil, fmt.Errorf("raftlog: %s does not take calls", t.addr)
		case <-t.cut:
			return nil, ErrCut
		case <-from:
			return nil, ErrCut
		}
	}
	select {
	case r := <-answer:
		// A voter that died while it answered was cut before it did: what it
		// says it stored is not on its disk.
		if t.isCut() {
			return nil, ErrCut
		}
		return r.Response, r.Error
	case <-timer.C:
		return nil, fmt.Errorf("raftlog: %s does not answer", t.addr)
	case <-t.cut:
		return nil, ErrCut
	case <-from:
		return nil, ErrCut
	}
}

// isHeartbeat tells the calls that may go around the main loop, as the
// library's network transport does.
func isHeartbeat(args any) bool {
	a, ok := args.(*raft.AppendEntriesRequest)
	return ok && a.Term != 0 && len(a.Addr) > 0 && a.PrevLogEntry == 0 && a.PrevLogTerm == 0 && len(a.Entries) == 0 && a.LeaderCommitIndex == 0
}

// answered copies an answer of the right type.
func answered[T any](out *T, resp any, err error) error {
	if err != nil {
		return err
	}
	r, ok := resp.(*T)
	if !ok {
		return fmt.Errorf("raftlog: an answer of type %T", resp)
	}
	*out = *r
	return nil
}

// Consumer implements raft.Transport.
func (t *Transport) Consumer() <-chan raft.RPC { return t.consumer }

// LocalAddr implements raft.Transport.
func (t *Transport) LocalAddr() raft.ServerAddress { return t.addr }

// AppendEntriesPipeline implements raft.Transport: between voters of one
// process there is no latency to hide.
func (t *Transport) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// AppendEntries implements raft.Transport.
func (t *Transport) AppendEntries(_ raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	r, err := t.call(target, args, nil, t.hub.timeout())
	return answered(resp, r, err)
}

// RequestVote implements raft.Transport.
func (t *Transport) RequestVote(_ raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	r, err := t.call(target, args, nil, t.hub.timeout())
	return answered(resp, r, err)
}

// RequestPreVote implements raft.WithPreVote.
func (t *Transport) RequestPreVote(_ raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	r, err := t.call(target, args, nil, t.hub.timeout())
	return answered(resp, r, err)
}

// InstallSnapshot implements raft.Transport.
func (t *Transport) InstallSnapshot(_ raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	r, err := t.call(target, args, data, 10*t.hub.timeout())
	return answered(resp, r, err)
}

// TimeoutNow implements raft.Transport.
func (t *Transport) TimeoutNow(_ raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	r, err := t.call(target, args, nil, t.hub.timeout())
	return answered(resp, r, err)
}

// EncodePeer implements raft.Transport.
func (t *Transport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte { return []byte(addr) }

// DecodePeer implements raft.Transport.
func (t *Transport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler implements raft.Transport.
func (t *Transport) SetHeartbeatHandler(cb func(raft.RPC)) {
	if cb == nil {
		t.heartbeat.Store(nil)
		return
	}
	t.heartbeat.Store(&cb)
}
