package admin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"catena/chain"
)

// Paths of the API.
const (
	PathStatus = "/v1/status"
	PathFactor = "/v1/factor"
	PathForce  = "/v1/force"
)

// Status is the answer of GET /v1/status.
type Status struct {
	// Software is the server's version line.
	Software string `json:"software"`
	Cluster  string `json:"cluster"`
	Host     string `json:"host"`
	// Leader is the store whose directory holds the leading master; empty without one.
	Leader  string   `json:"leader"`
	Masters []Master `json:"masters"`
	// VotersWanted and VotersReady: the next disk may go when they are equal.
	VotersWanted int    `json:"voters_wanted"`
	VotersReady  int    `json:"voters_ready"`
	MapVersion   uint64 `json:"map_version"`
	// Factor is the number of members wanted of every chain.
	Factor int     `json:"factor"`
	Stores []Store `json:"stores"`
	// Space is what all stores take and have together.
	Space      TotalSpace `json:"space"`
	Tablets    int        `json:"tablets"`
	DataChains int        `json:"data_chains"`
	// Chains counts all of them; Below those with fewer good members than wanted,
	// Above those with more, Unwritable those that take no writes.
	Chains     int `json:"chains"`
	Below      int `json:"chains_below_factor"`
	Above      int `json:"chains_above_factor"`
	Unwritable int `json:"chains_unwritable"`
	// Trouble describes the chains that Below counts.
	Trouble []Chain `json:"trouble"`
	// Plan is what the planner would do next, a line per change.
	Plan []string `json:"plan"`
	// Forced is every start that an operator forced.
	Forced []Forced `json:"forced"`
}

// Master is one directory's part in the masters.
type Master struct {
	Store  string `json:"store"`
	Role   string `json:"role"`
	Reason string `json:"reason,omitempty"`
}

// Store is one store.
type Store struct {
	ID string `json:"id"`
	// Path is where this node has it; empty for a store of another node.
	Path string `json:"path"`
	// State is live; absent (away without an I/O error: it may come back as it
	// was); failed (it ended by an I/O error); or replaced (another store has its
	// place for ever).
	State string `json:"state"`
	// Alive: it answers now. Full: it takes no new copies.
	Alive    bool   `json:"alive"`
	Full     bool   `json:"full"`
	Reason   string `json:"reason,omitempty"`
	Replaces string `json:"replaces,omitempty"`
	// AwaySince is when a store that does not answer was lost. AwayOrLonger: it
	// was away already when the server started, and AwaySince is not before that.
	AwaySince    time.Time `json:"away_since,omitzero"`
	AwayOrLonger bool      `json:"away_or_longer,omitempty"`
	// WaitedUntil is until when the chains of an absent store wait for it before
	// their copies are made elsewhere; not there when they wait no longer.
	WaitedUntil time.Time `json:"waited_until,omitzero"`
	// Next is what that means, and what can be done; for a store that is not live.
	Next string `json:"next,omitempty"`
	// Replicas is of how many chains it holds a member.
	Replicas int `json:"replicas"`
	// Space is null when it is not known: the disk does not answer, or is gone.
	Space *Space `json:"space"`
}

// Serves reports that it is in use, and answers.
func (s *Store) Serves() bool { return s.State == "live" && s.Alive }

// Space is what a store takes and has, in bytes and chunks.
type Space struct {
	Used int64 `json:"used_bytes"`
	// Free is what the store could still take if no other one took of it: stores
	// of one device have the same free space.
	Free int64 `json:"free_bytes"`
	// Device is the device's number, MAJOR:MINOR, on the store's host; empty when
	// it is not known. Stores of one host with the same one share its free space.
	Device      string `json:"device"`
	Chunks      int    `json:"chunks"`
	ChunkBytes  int64  `json:"chunk_bytes"`
	Damaged     int    `json:"damaged_chunks"`
	Quarantined int    `json:"quarantined_chunks"`
}

// TotalSpace is the space of all stores that say theirs. It is raw: an object
// takes it once for each of its copies.
type TotalSpace struct {
	Used int64 `json:"used_bytes"`
	// Free counts each device once, and only those with a store that lives.
	Free int64 `json:"free_bytes"`
	// Devices is how many devices Free counts.
	Devices int `json:"devices"`
}

// Total adds up. Of stores that share a device the least free space counts: they
// keep different amounts back for themselves. One whose device is not known has
// its own.
func Total(stores []Store) (out TotalSpace) {
	free := map[string]int64{}
	for _, s := range stores {
		if s.Space == nil {
			continue
		}
		out.Used += s.Space.Used
		if !s.Serves() {
			continue
		}
		device := s.Space.Device
		if device == "" {
			device = s.ID
		}
		least, ok := free[device]
		if !ok || s.Space.Free < least {
			free[device] = s.Space.Free
		}
	}
	for _, n := range free {
		out.Free += n
	}
	out.Devices = len(free)
	return out
}

// Chain is a chain that is not as it should be.
type Chain struct {
	ID          chain.ChainID `json:"id"`
	Kind        string        `json:"kind"`
	Epoch       chain.Epoch   `json:"epoch"`
	Factor      int           `json:"factor"`
	MinAck      int           `json:"min_ack"`
	Serving     []Replica     `json:"serving"`
	Settled     []Replica     `json:"settled"`
	Syncing     []Replica     `json:"syncing"`
	Recoverable []Replica     `json:"recoverable"`
	// Former are members of once that may still have their rows.
	Former []Replica `json:"former"`
	// Unwritable: it takes no writes.
	Unwritable bool `json:"unwritable"`
	// Next is what is done about it now, or what that waits for.
	Next string `json:"next"`
}

// Known are all replicas of the chain, each once.
func (c *Chain) Known() (out []Replica) {
	seen := map[Replica]bool{}
	for _, set := range [][]Replica{c.Serving, c.Syncing, c.Recoverable, c.Former} {
		for _, r := range set {
			if !seen[r] {
				out = append(out, r)
			}
			seen[r] = true
		}
	}
	return out
}

// Replica is STORE/INCARNATION, as text in JSON.
type Replica chain.ReplicaID

// String gives the whole id.
func (r Replica) String() string { return fmt.Sprintf("%s/%d", r.Store, r.Incarnation) }

// MarshalText implements encoding.TextMarshaler.
func (r Replica) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Replica) UnmarshalText(b []byte) error {
	store, inc, ok := strings.Cut(string(b[:min(len(b), 64)]), "/")
	n, err := strconv.ParseUint(inc, 10, 64)
	if !ok || err != nil || n == 0 {
		return fmt.Errorf("a replica is STORE/INCARNATION")
	}
	id, err := chain.ParseID128(store)
	if err != nil {
		return fmt.Errorf("a replica is STORE/INCARNATION, the store 32 hex digits")
	}
	*r = Replica{Store: id, Incarnation: n}
	return nil
}

// Forced is a start that an operator forced.
type Forced struct {
	Chain   chain.ChainID `json:"chain"`
	Epoch   chain.Epoch   `json:"epoch"`
	Replica Replica       `json:"replica"`
	Reason  string        `json:"reason"`
}

// FactorRequest is the body of POST or PUT /v1/factor.
type FactorRequest struct {
	// From is the factor that the operator saw: with another one it is refused.
	From int `json:"from"`
	To   int `json:"to"`
	// DryRun only says what would happen.
	DryRun bool `json:"dry_run"`
	// AcceptDataLoss is needed to go down to a single copy.
	AcceptDataLoss bool `json:"accept_data_loss"`
}

// FactorChange is the answer.
type FactorChange struct {
	From int `json:"from"`
	To   int `json:"to"`
	// MinAck is the number of members below which a chain takes no writes.
	MinAck int `json:"min_ack"`
	// Grow and Shrink count the chains that gain or lose members.
	Grow   int `json:"chains_to_grow"`
	Shrink int `json:"chains_to_shrink"`
	// Effects are sentences: what will happen.
	Effects []string `json:"effects"`
	// Changed is false for a dry run, and when it was so already.
	Changed bool `json:"changed"`
}

// ForceRequest is the body of POST /v1/force.
type ForceRequest struct {
	Chain chain.ChainID `json:"chain"`
	// Epoch is the one that the operator saw: in another one it is refused.
	Epoch   chain.Epoch `json:"epoch"`
	Replica Replica     `json:"replica"`
	// Reason is kept for ever.
	Reason string `json:"reason"`
	// AcceptDataLoss says that the operator knows.
	AcceptDataLoss bool `json:"accept_data_loss"`
}

// ForceAnswer is the answer.
type ForceAnswer struct {
	// Recorded is the reason as it is kept.
	Recorded string `json:"recorded"`
}

// Problem is every answer that is not a 2xx.
type Problem struct {
	// Code is for programs: unauthorized, bad_request, not_found,
	// method_not_allowed, too_large, refused, unavailable, internal.
	Code string `json:"code"`
	// Message is for people.
	Message string `json:"message"`
}
