package raftlog

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// serve answers every call of a voter.
func serve(t *Transport, answer func(raft.RPC)) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case rpc := <-t.Consumer():
				answer(rpc)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

func vote(rpc raft.RPC) { rpc.Respond(&raft.RequestVoteResponse{Granted: true}, nil) }

func ask(from *Transport, to raft.ServerAddress) (bool, error) {
	var resp raft.RequestVoteResponse
	err := from.RequestVote("", to, &raft.RequestVoteRequest{}, &resp)
	return resp.Granted, err
}

func TestACutVoterNeitherHearsNorSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &Hub{}
		a, b := hub.Attach("a"), hub.Attach("b")
		defer serve(a, vote)()
		defer serve(b, vote)()
		ok, err := ask(a, "b")
		require.NoError(t, err)
		require.True(t, ok)
		b.Cut()
		began := time.Now()
		_, err = ask(a, "b")
		require.ErrorIs(t, err, ErrCut)
		_, err = ask(b, "a")
		require.ErrorIs(t, err, ErrCut)
		_, err = ask(a, "nobody")
		require.ErrorIs(t, err, ErrCut)
		require.Zero(t, time.Since(began), "nobody waits for a voter that was cut")
	})
}

func TestTheAnswerOfAVoterThatDiesMeanwhileIsNotSeen(t *testing.T) {
	for range 50 { // whoever waits may see the answer or the cut first
		hub := &Hub{}
		a, b := hub.Attach("a"), hub.Attach("b")
		stop := serve(b, func(rpc raft.RPC) {
			b.Cut() // its disk failed under the vote; the library does not know
			vote(rpc)
		})
		_, err := ask(a, "b")
		require.ErrorIs(t, err, ErrCut)
		stop()
	}
}

func TestARestartedVoterIsReachedUnderItsAddress(t *testing.T) {
	hub := &Hub{}
	a, old := hub.Attach("a"), hub.Attach("b")
	require.NoError(t, old.Close())
	_, err := ask(a, "b")
	require.ErrorIs(t, err, ErrCut)
	b := hub.Attach("b")
	defer serve(b, vote)()
	ok, err := ask(a, "b")
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, old.Close())
	_, err = ask(a, "b")
	require.NoError(t, err, "closing the old one does not detach the new one")
}

func TestASilentVoterCostsTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &Hub{Timeout: time.Second}
		a := hub.Attach("a")
		hub.Attach("b")
		began := time.Now()
		_, err := ask(a, "b")
		require.ErrorContains(t, err, "does not take calls")
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestHeartbeatsGoAroundTheMainLoop(t *testing.T) {
	hub := &Hub{}
	a, b := hub.Attach("a"), hub.Attach("b")
	b.SetHeartbeatHandler(func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil) })
	var resp raft.AppendEntriesResponse
	beat := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte("a")}, Term: 3}
	require.NoError(t, a.AppendEntries("", "b", beat, &resp), "nobody reads b's consumer")
	require.True(t, resp.Success)
}

func TestASnapshotIsStreamed(t *testing.T) {
	hub := &Hub{}
	a, b := hub.Attach("a"), hub.Attach("b")
	var got []byte
	defer serve(b, func(rpc raft.RPC) {
		var err error
		got, err = io.ReadAll(rpc.Reader)
		rpc.Respond(&raft.InstallSnapshotResponse{Success: true}, err)
	})()
	var resp raft.InstallSnapshotResponse
	require.NoError(t, a.InstallSnapshot("", "b", &raft.InstallSnapshotRequest{}, &resp, strings.NewReader("the state")))
	require.Equal(t, "the state", string(got))
}
