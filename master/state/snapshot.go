package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// snapshotMagic starts every snapshot; the number is the version. A version
// or a field that this release does not know stops it: a state that dropped a
// field would no longer be the other voters'.
const snapshotMagic = "catena-master-state v1"

// MaxSnapshot bounds an encoded snapshot, in bytes.
const MaxSnapshot = 1 << 30

// ErrSnapshot says that bytes are no snapshot that this release can read.
var ErrSnapshot = errors.New("state: unreadable snapshot")

// EncodeSnapshot gives the state as a header line, with length and CRC32C of
// the body, and one JSON value. Equal states give equal bytes.
func (st *State) EncodeSnapshot() ([]byte, error) {
	body, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s crc32c=%08x len=%d\n", snapshotMagic, checksum(body), len(body))
	b.Write(body)
	return b.Bytes(), nil
}

// DecodeSnapshot reads a snapshot and checks every invariant of the state.
func DecodeSnapshot(b []byte) (*State, error) {
	if len(b) > MaxSnapshot {
		return nil, fmt.Errorf("%w: %d bytes", ErrSnapshot, len(b))
	}
	line, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok || len(line) > 128 {
		return nil, fmt.Errorf("%w: no header line", ErrSnapshot)
	}
	rest, ok := strings.CutPrefix(string(line), snapshotMagic+" crc32c=")
	if !ok {
		return nil, fmt.Errorf("%w: header %q", ErrSnapshot, line)
	}
	sum, size, ok := strings.Cut(rest, " len=")
	want, err1 := strconv.ParseUint(sum, 16, 32)
	n, err2 := strconv.Atoi(size)
	if !ok || err1 != nil || err2 != nil || n != len(body) || uint32(want) != checksum(body) {
		return nil, fmt.Errorf("%w: damaged or cut short", ErrSnapshot)
	}
	st := &State{}
	if err := strict(body, st); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSnapshot, err)
	}
	if slices.Contains(st.Chains, nil) || slices.Contains(st.Stores, nil) {
		return nil, fmt.Errorf("%w: an empty record", ErrSnapshot)
	}
	if err := st.Check(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSnapshot, err)
	}
	return st, nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
