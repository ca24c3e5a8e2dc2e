package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A record is a header of 32 bytes and a payload. FORMAT.md has the picture.
const (
	recordMagic  = "CRLg"
	headerSize   = 32
	maxPayload   = 8 << 20
	maxFile      = 1 << 30
	versionMajor = 1
)

// The kinds of record.
const (
	kindHeader   = 1 // version and voter; first in every file
	kindEntry    = 2 // one Raft log entry
	kindTruncate = 3 // entries from this index on are gone
	kindStable   = 4 // a key and its value
	kindPrefix   = 5 // entries up to this index are gone
	kindMeta     = 6 // a snapshot's metadata
	kindData     = 7 // a piece of a snapshot
	kindEnd      = 8 // the snapshot's length: it is whole
)

// ErrDamaged says that bytes which had been synced are not what was written.
var ErrDamaged = errors.New("raftlog: damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one decoded record.
type record struct {
	kind uint8
	// synced is the length of the file that was durable when the batch of this
	// record was written: a bad record below it was good once.
	synced  uint64
	payload []byte
}

// appendRecord encodes a record. file is the number of its file, which keeps
// records of another file from verifying.
func appendRecord(b []byte, file uint64, r record) []byte {
	start := len(b)
	b = append(b, recordMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.payload)))
	b = append(b, 0, 0, 0, 0, r.kind, versionMajor, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, r.synced)
	b = binary.LittleEndian.AppendUint64(b, file)
	b = append(b, r.payload...)
	binary.LittleEndian.PutUint32(b[start+8:], sum(b[start:]))
	return b
}

// sum covers everything but the magic and itself.
func sum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[4:8], castagnoli), castagnoli, b[12:])
}

// errBad says that no whole record is here: torn, or damaged.
var errBad = errors.New("no record")

// parseRecord decodes the record at the start of b and tells its size.
func parseRecord(b []byte, file uint64) (record, int, error) {
	if len(b) < headerSize || !bytes.Equal(b[:4], []byte(recordMagic)) {
		return record{}, 0, errBad
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > maxPayload || int(n) > len(b)-headerSize {
		return record{}, 0, errBad
	}
	whole := b[:headerSize+int(n)]
	if binary.LittleEndian.Uint32(whole[8:]) != sum(whole) || binary.LittleEndian.Uint64(whole[24:]) != file {
		return record{}, 0, errBad
	}
	if whole[13] != versionMajor {
		return record{}, 0, fmt.Errorf("raftlog: a record of version %d, written by a newer release", whole[13])
	}
	return record{kind: whole[12], synced: binary.LittleEndian.Uint64(whole[16:]), payload: whole[headerSize:]}, len(whole), nil
}

// scan reads the records of a file in order and gives the length of the good
// part. What follows it is a torn write, unless a later record proves that it
// had been synced: that is damage.
func scan(b []byte, file uint64, visit func(record) error) (good int64, err error) {
	off := 0
	for off < len(b) {
		r, n, err := parseRecord(b[off:], file)
		if err == errBad {
			return int64(off), proveTorn(b, off, file)
		}
		if err != nil {
			return int64(off), err
		}
		if r.synced > uint64(off) {
			return int64(off), fmt.Errorf("%w: the record at %d says that %d bytes were before it", ErrDamaged, off, r.synced)
		}
		if err := visit(r); err != nil {
			return int64(off), err
		}
		off += n
	}
	return int64(off), nil
}

// proveTorn looks behind a bad record for one that was written after a sync
// which covered the bad one.
func proveTorn(b []byte, bad int, file uint64) error {
	for at := bad + 1; at < len(b); at++ {
		i := bytes.Index(b[at:], []byte(recordMagic))
		if i < 0 {
			return nil
		}
		at += i
		if r, _, err := parseRecord(b[at:], file); err == nil && r.synced > uint64(bad) {
			return fmt.Errorf("%w: the record at %d is bad, and the one at %d was written when it was durable", ErrDamaged, bad, at)
		}
	}
	return nil
}
