package store

import (
	"fmt"

	"catena/chain"
)

// Kind is the class of an error; errors.Is(err, ErrGone) asks for it.
type Kind uint8

// The kinds of error.
const (
	// ErrFailed: a write or sync failed earlier; the store has ended.
	ErrFailed Kind = iota + 1
	// ErrClosed: the store was closed.
	ErrClosed
	// ErrFull: no space for creates; deletes still work.
	ErrFull
	// ErrGone: there is no such replica, chunk or row.
	ErrGone
	// ErrDamaged: bytes on disk do not match their checksums, or are missing.
	ErrDamaged
	// ErrIdentity: the directory belongs to another store, or has no identity.
	ErrIdentity
	// ErrLocked: another process, or another Store, has the directory open.
	ErrLocked
	// ErrInvalid: the caller's arguments make no sense.
	ErrInvalid
	// ErrTooNew: a format with an incompatible flag that this version does not know.
	ErrTooNew
)

var kindText = [...]string{"", "the store has failed", "the store is closed", "no space", "not there", "damaged", "wrong identity", "locked", "invalid", "written by a newer version"}

// Error gives the kind in words.
func (k Kind) Error() string {
	if int(k) < len(kindText) {
		return kindText[k]
	}
	return fmt.Sprintf("store error %d", uint8(k))
}

// Error is an error of the store: what kind, in which operation, about what.
type Error struct {
	Kind  Kind
	Op    string
	Key   Key           // zero where it is about no replica
	Chunk chain.ChunkID // zero where it is about no chunk
	// Detail names file and position; for people.
	Detail string
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	s := "store: " + e.Op + ": " + e.Kind.Error()
	if e.Key != (Key{}) {
		s += " (replica " + e.Key.String()
		if e.Chunk != (chain.ChunkID{}) {
			s += ", chunk " + e.Chunk.String()
		}
		s += ")"
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
