package tablet

import (
	"bytes"
	"encoding/binary"

	"catena/chain"
)

// rowKind is the first byte of a row's key.
type rowKind byte

// The kinds. The numbers are stored: never renumber. A kind that is not here is
// an error that stops the replica.
const (
	kindBucket   rowKind = 0x10 // bucketID
	kindRecord   rowKind = 0x18 // bucketID 0, system key
	kindCurrent  rowKind = 0x20 // bucketID, key (raw: LIST is a plain scan)
	kindVersion  rowKind = 0x28 // bucketID, escaped key, ^rev (reserved use)
	kindBody     rowKind = 0x30 // bucketID, escaped key, blobID
	kindUpload   rowKind = 0x40 // bucketID, escaped key, uploadID
	kindPart     rowKind = 0x48 // bucketID, escaped key, uploadID, number
	kindManifest rowKind = 0x50 // bucketID, escaped key, uploadID or blobID
	kindRelease  rowKind = 0x58 // bucketID, escaped key, rev, index
	kindOp       rowKind = 0x70 // time, opID
	// Reserved: intent 0x60, snapshot pin 0x61, time index 0x62, feed 0x63.
)

var ownedKinds = [...]rowKind{kindBucket, kindRecord, kindCurrent, kindVersion, kindBody, kindUpload, kindPart, kindManifest, kindRelease}

func (k rowKind) String() string {
	switch k {
	case kindBucket:
		return "bucket row"
	case kindRecord:
		return "record row"
	case kindCurrent:
		return "current row"
	case kindVersion:
		return "version row"
	case kindBody:
		return "body row"
	case kindUpload:
		return "upload row"
	case kindPart:
		return "part row"
	case kindManifest:
		return "manifest row"
	case kindRelease:
		return "release row"
	case kindOp:
		return "op row"
	}
	return "row of unknown kind"
}

// known reports a kind that this release understands.
func (k rowKind) known() bool {
	switch k {
	case kindBucket, kindRecord, kindCurrent, kindVersion, kindBody, kindUpload, kindPart, kindManifest, kindRelease, kindOp:
		return true
	}
	return false
}

// escaped reports whether user keys stand escaped in keys of this kind, because
// something follows them.
func (k rowKind) escaped() bool { return k >= kindVersion && k <= kindRelease }

// appendEscaped appends a user key so that order is kept and no escaped key is a
// prefix of another: 0x00 becomes 0x00 0xFF, and 0x00 0x01 ends it.
func appendEscaped(b []byte, key string) []byte { return append(appendOpen(b, key), 0, 1) }

// appendOpen is appendEscaped without the end: the least key of all that begin so.
func appendOpen(b []byte, key string) []byte {
	for i := 0; i < len(key); i++ {
		b = append(b, key[i])
		if key[i] == 0 {
			b = append(b, 0xFF)
		}
	}
	return b
}

// unescape gives the user key and what follows it.
func unescape(b []byte) (key string, rest []byte, ok bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 && i+1 < len(b) && b[i+1] == 1 {
		return string(b[:i]), b[i+2:], true
	}
	var out []byte
	for i := 0; i < len(b); i++ {
		if b[i] != 0 {
			out = append(out, b[i])
			continue
		}
		if i+1 >= len(b) {
			return "", nil, false
		}
		switch i++; b[i] {
		case 0xFF:
			out = append(out, 0)
		case 1:
			return string(out), b[i+1:], true
		default:
			return "", nil, false
		}
	}
	return "", nil, false
}

func ownerPrefix(k rowKind, bucket chain.BucketID, key string, extra int) []byte {
	b := make([]byte, 0, 1+16+len(key)+2+extra)
	b = append(b, byte(k))
	b = append(b, bucket[:]...)
	if !k.escaped() {
		return append(b, key...)
	}
	return appendEscaped(b, key)
}

func bucketKey(bucket chain.BucketID) []byte            { return ownerPrefix(kindBucket, bucket, "", 0) }
func recordKey(key string) []byte                       { return ownerPrefix(kindRecord, chain.BucketID{}, key, 0) }
func currentKey(b chain.BucketID, key string) []byte    { return ownerPrefix(kindCurrent, b, key, 0) }
func versionPrefix(b chain.BucketID, key string) []byte { return ownerPrefix(kindVersion, b, key, 8) }

func idKey(k rowKind, b chain.BucketID, key string, id chain.ID128) []byte {
	return append(ownerPrefix(k, b, key, 20), id[:]...)
}

func bodyKey(b chain.BucketID, key string, blob chain.BlobID) []byte {
	return idKey(kindBody, b, key, blob)
}

func uploadKey(b chain.BucketID, key string, upload chain.ID128) []byte {
	return idKey(kindUpload, b, key, upload)
}

func manifestKey(b chain.BucketID, key string, id chain.ID128) []byte {
	return idKey(kindManifest, b, key, id)
}

func partPrefix(b chain.BucketID, key string, upload chain.ID128) []byte {
	return idKey(kindPart, b, key, upload)
}

func partKey(b chain.BucketID, key string, upload chain.ID128, number uint32) []byte {
	return binary.BigEndian.AppendUint32(partPrefix(b, key, upload), number)
}

func releaseKey(b chain.BucketID, key string, rev uint64, index uint16) []byte {
	k := binary.BigEndian.AppendUint64(ownerPrefix(kindRelease, b, key, 10), rev)
	return binary.BigEndian.AppendUint16(k, index)
}

func opKey(time int64, op chain.OpID) []byte {
	b := make([]byte, 0, 25)
	b = append(b, byte(kindOp))
	b = binary.BigEndian.AppendUint64(b, uint64(time))
	return append(b, op[:]...)
}

// rowKey is a parsed key.
type rowKey struct {
	kind   rowKind
	bucket chain.BucketID
	key    string
	id     chain.ID128 // blob, upload or op
	number uint32      // part number, or index of a release
	rev    uint64      // of a version (as stored) or release
	time   int64       // of an op
}

func parseRowKey(row []byte) (rowKey, error) {
	k, ok := splitRowKey(row)
	if ok {
		return k, nil
	}
	if len(row) > 0 && !rowKind(row[0]).known() {
		return k, formatErr("row key", "unknown kind %#x", row[0])
	}
	return k, formatErr("row key", "%q is malformed", row)
}

func splitRowKey(row []byte) (k rowKey, ok bool) {
	if len(row) == 0 {
		return k, false
	}
	k.kind = rowKind(row[0])
	rest := row[1:]
	if k.kind == kindOp {
		if len(rest) != 24 {
			return k, false
		}
		k.time = int64(binary.BigEndian.Uint64(rest))
		copy(k.id[:], rest[8:])
		return k, true
	}
	if !k.kind.known() || len(rest) < 16 {
		return k, false
	}
	copy(k.bucket[:], rest)
	rest = rest[16:]
	if !k.kind.escaped() {
		k.key = string(rest)
		return k, (k.kind != kindBucket || k.key == "") && len(k.key) <= MaxKey+len(BucketRecordPrefix)
	}
	if k.key, rest, ok = unescape(rest); !ok {
		return k, false
	}
	return k, k.tail(rest)
}

// tail parses what follows an escaped key.
func (k *rowKey) tail(b []byte) bool {
	switch k.kind {
	case kindVersion:
		if len(b) != 8 {
			return false
		}
		k.rev = binary.BigEndian.Uint64(b)
		return true
	case kindRelease:
		if len(b) != 10 {
			return false
		}
		k.rev, k.number = binary.BigEndian.Uint64(b), uint32(binary.BigEndian.Uint16(b[8:]))
		return true
	case kindPart:
		if len(b) != 20 {
			return false
		}
		k.number = binary.BigEndian.Uint32(b[16:])
	default:
		if len(b) != 16 {
			return false
		}
	}
	copy(k.id[:], b)
	return true
}

// RowOwner gives the owner key (bucketID, user key) of a row; ok is false for
// rows without one (the opID window, which both children of a split inherit).
// A kind that this release does not know is an error.
func RowOwner(row []byte) (owner []byte, ok bool, err error) {
	k, err := parseRowKey(row)
	if err != nil || k.kind == kindOp {
		return nil, false, err
	}
	return chain.OwnerKey(k.bucket, k.key), true, nil
}

// successor is the least string greater than every one that begins with s; empty if there is none.
func successor(s string) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0xFF {
			return s[:i] + string([]byte{s[i] + 1})
		}
	}
	return ""
}

// prefixEnd is successor for row keys, which begin with a kind below 0xFF.
func prefixEnd(row []byte) []byte { return []byte(successor(string(row))) }

// bound is the least key of a kind whose owner is >= the owner key given.
func bound(k rowKind, owner []byte) []byte {
	b := append(make([]byte, 0, len(owner)+9), byte(k))
	if !k.escaped() || len(owner) <= 16 {
		return append(b, owner...)
	}
	return appendOpen(append(b, owner[:16]...), string(owner[16:]))
}

// span is the range of a kind's rows whose owners lie in [from, to) and in the tablet.
func span(k rowKind, t *chain.Tablet, from, to []byte) (lo, hi []byte) {
	if bytes.Compare(t.Start, from) > 0 {
		from = t.Start
	}
	if len(t.End) > 0 && (len(to) == 0 || bytes.Compare(t.End, to) < 0) {
		to = t.End
	}
	lo, hi = bound(k, from), []byte{byte(k) + 1}
	if len(to) > 0 {
		hi = bound(k, to)
	}
	return lo, hi
}

// bucketSpan is the owner range of a whole bucket; to is empty for the last one.
func bucketSpan(bucket chain.BucketID) (from, to []byte) {
	return bucket[:], []byte(successor(string(bucket[:])))
}
