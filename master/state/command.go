package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"catena/chain"
)

// entryVersion is the version of the encoding of commands in the log.
const entryVersion = 1

// MaxEntry bounds one encoded log entry, in bytes, and MaxCommands the commands in it.
const (
	MaxEntry    = 4 << 20
	MaxCommands = 1024
)

// ErrUnknownCommand says that the log holds what this release does not know.
// A voter that meets it stops: going on would make its state another one.
var ErrUnknownCommand = errors.New("state: a command that this release does not know")

// entry is what one entry of the log carries: commands that are applied in
// order, each by itself wholly or not at all, for the price of one sync.
type entry struct {
	Version  int       `json:"v"`
	Commands []Command `json:"commands"`
}

// Command is one change. Exactly one of the pointers is set.
type Command struct {
	// Op names the command over all its repeats; never zero.
	Op chain.OpID `json:"op"`

	Init     *Init          `json:"init,omitempty"`
	AddStore *AddStore      `json:"add_store,omitempty"`
	SetStore *SetStoreState `json:"set_store,omitempty"`
	Replace  *ReplaceStore  `json:"replace_store,omitempty"`
	Change   *ChangeChain   `json:"change_chain,omitempty"`
	Factor   *SetFactor     `json:"set_factor,omitempty"`
	Feature  *SetFeature    `json:"set_feature,omitempty"`
}

// NewStore is a store as it introduces itself.
type NewStore struct {
	ID          chain.StoreID `json:"id"`
	Domain      [4]string     `json:"domain"`
	Incarnation uint64        `json:"incarnation"`
}

// Init makes the cluster: the stores, the tablets and their chains, and the
// data chains. It is refused once a cluster is there.
type Init struct {
	Cluster chain.ClusterID `json:"cluster"`
	Stores  []NewStore      `json:"stores"`
	// Tablets is how many beside the system tablet.
	Tablets    int `json:"tablets"`
	DataChains int `json:"data_chains"`
	// Factor of 0 means min(3, number of stores).
	Factor uint8 `json:"factor"`
	// Feature is the feature level from the start.
	Feature uint32 `json:"feature"`
}

// AddStore adds a store beside the others.
type AddStore struct {
	Store NewStore `json:"store"`
}

// SetStoreState moves a store between live and failed.
type SetStoreState struct {
	ID     chain.StoreID    `json:"id"`
	Expect chain.StoreState `json:"expect"`
	State  chain.StoreState `json:"state"`
	// Broken says that the failure is an I/O error: everything on the store
	// becomes suspect.
	Broken bool `json:"broken,omitempty"`
	// Incarnation is the store's own when it comes back.
	Incarnation uint64 `json:"incarnation,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

// ReplaceStore puts a new store in the place of a failed one, for ever.
type ReplaceStore struct {
	Old   chain.StoreID `json:"old"`
	Store NewStore      `json:"store"`
}

// SetFactor changes the number of replicas wanted. The chains follow one by one.
type SetFactor struct {
	Expect uint8 `json:"expect"`
	Factor uint8 `json:"factor"`
}

// SetFeature raises the feature level; it never falls.
type SetFeature struct {
	Level uint32 `json:"level"`
}

// ChangeKind names what a ChangeChain does.
type ChangeKind string

// The changes of a configuration. Each makes exactly one new epoch.
const (
	// ChangeRemove drops Serving members; the order of the rest stays.
	ChangeRemove ChangeKind = "remove"
	// ChangeJoin adds one joiner.
	ChangeJoin ChangeKind = "join"
	// ChangeDrop drops the joiner.
	ChangeDrop ChangeKind = "drop"
	// ChangePromote makes the joiner the tail. Compare-and-set on the epoch in
	// which it was reported in sync.
	ChangePromote ChangeKind = "promote"
	// ChangeSettle makes a Serving member settled.
	ChangeSettle ChangeKind = "settle"
	// ChangeRestart starts a dead chain from one member of the recoverable set.
	ChangeRestart ChangeKind = "restart"
	// ChangeResize sets factor and min_ack.
	ChangeResize ChangeKind = "resize"
	// ChangeForce starts a chain from a replica that may lack acknowledged
	// writes, on an operator's word; recorded for ever.
	ChangeForce ChangeKind = "force"
)

// ChangeChain makes the next configuration of a chain.
type ChangeChain struct {
	Chain chain.ChainID `json:"chain"`
	// Expect is the epoch that the change follows: another one refuses it.
	Expect chain.Epoch `json:"expect"`
	Kind   ChangeKind  `json:"kind"`
	// Replicas that the change is about; one, but for ChangeRemove.
	Replicas []chain.ReplicaID `json:"replicas,omitempty"`
	// Reported is the epoch of the report on which promote and settle rest.
	Reported chain.Epoch `json:"reported,omitzero"`
	// Void says that the removed rows are not to be believed.
	Void bool `json:"void,omitempty"`
	// Choice says that a removal is not forced by a failure.
	Choice bool `json:"choice,omitempty"`
	// Factor and MinAck are for ChangeResize.
	Factor uint8 `json:"factor,omitempty"`
	MinAck uint8 `json:"min_ack,omitempty"`
	// Reason is for people.
	Reason string `json:"reason,omitempty"`
}

// Encode gives the bytes of one log entry.
func Encode(cmds []Command) ([]byte, error) {
	if len(cmds) == 0 || len(cmds) > MaxCommands {
		return nil, fmt.Errorf("state: %d commands in one entry, 1 to %d", len(cmds), MaxCommands)
	}
	for i := range cmds {
		if err := cmds[i].validate(); err != nil {
			return nil, err
		}
	}
	b, err := json.Marshal(entry{Version: entryVersion, Commands: cmds})
	if err == nil && len(b) > MaxEntry {
		err = fmt.Errorf("state: commands of %d bytes, at most %d", len(b), MaxEntry)
	}
	return b, err
}

// Decode reads a log entry. What it does not know entirely is ErrUnknownCommand.
func Decode(b []byte) ([]Command, error) {
	unknown := func(err error) ([]Command, error) { return nil, fmt.Errorf("%w: %w", ErrUnknownCommand, err) }
	if len(b) > MaxEntry {
		return unknown(fmt.Errorf("%d bytes", len(b)))
	}
	var e entry
	if err := strict(b, &e); err != nil {
		return unknown(err)
	}
	if e.Version != entryVersion || len(e.Commands) == 0 || len(e.Commands) > MaxCommands {
		return unknown(fmt.Errorf("version %d, %d commands", e.Version, len(e.Commands)))
	}
	for i := range e.Commands {
		if err := e.Commands[i].validate(); err != nil {
			return unknown(err)
		}
	}
	return e.Commands, nil
}

// strict decodes JSON that holds v and nothing else.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

func (c *Command) validate() error {
	if c.Op.IsZero() {
		return errors.New("state: command without op id")
	}
	n := 0
	for _, set := range []bool{c.Init != nil, c.AddStore != nil, c.SetStore != nil, c.Replace != nil, c.Change != nil, c.Factor != nil, c.Feature != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("state: %d commands in one", n)
	}
	if c.Change != nil && !c.Change.Kind.known() {
		return fmt.Errorf("state: unknown change %q", c.Change.Kind)
	}
	return nil
}

func (k ChangeKind) known() bool {
	switch k {
	case ChangeRemove, ChangeJoin, ChangeDrop, ChangePromote, ChangeSettle, ChangeRestart, ChangeResize, ChangeForce:
		return true
	}
	return false
}
