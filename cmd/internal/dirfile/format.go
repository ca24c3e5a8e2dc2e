package dirfile

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// MaxSize bounds a file, header included: what is larger is not ours.
const MaxSize = 1 << 20

// maxHeader bounds the first line.
const maxHeader = 128

var (
	// ErrDamaged says that the file does not verify: it is not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrNewer says that a newer release wrote the file in a form unknown here.
	ErrNewer = errors.New("written by a newer release")
)

// Kind is a sort of file and the highest version that this release understands.
type Kind struct {
	// Name is a short word of lower-case letters, part of the checksum.
	Name string
	// Version is written, and the highest one read.
	Version int
}

// checksum is CRC32C over kind, version and body.
func checksum(kind string, version int, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum([]byte(kind+"\x00"+strconv.Itoa(version)+"\x00"), table)
	return crc32.Update(sum, table, body)
}

// Encode gives the bytes of a file.
func Encode(k Kind, body []byte) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "catena-%s v%d crc32c=%08x len=%d\n", k.Name, k.Version, checksum(k.Name, k.Version, body), len(body))
	if b.Len()+len(body) > MaxSize {
		return nil, fmt.Errorf("dirfile: a %s file of %d bytes is over the limit of %d", k.Name, len(body), MaxSize)
	}
	b.Write(body)
	return b.Bytes(), nil
}

// Decode verifies a file's bytes and gives version and body. The error is
// ErrDamaged or ErrNewer, with the reason.
func Decode(k Kind, data []byte) (version int, body []byte, err error) {
	head := data[:min(len(data), maxHeader)]
	end := bytes.IndexByte(head, '\n')
	if end < 0 || len(data) > MaxSize {
		return 0, nil, fmt.Errorf("%w: no header line", ErrDamaged)
	}
	h, err := parseHeader(k.Name, string(head[:end]))
	if err != nil {
		return 0, nil, err
	}
	body = data[end+1:]
	if h.length != len(body) {
		return 0, nil, fmt.Errorf("%w: %d bytes where the header says %d", ErrDamaged, len(body), h.length)
	}
	if h.sum != checksum(k.Name, h.version, body) {
		return 0, nil, fmt.Errorf("%w: the checksum does not match", ErrDamaged)
	}
	// Only a file that verifies is believed when it claims to be newer.
	if h.version > k.Version {
		return 0, nil, fmt.Errorf("%w (version %d, this one knows %d)", ErrNewer, h.version, k.Version)
	}
	return h.version, body, nil
}

type header struct {
	version, length int
	sum             uint32
}

func parseHeader(kind, line string) (header, error) {
	bad := func() (header, error) {
		return header{}, fmt.Errorf("%w: the header is not that of a %s file", ErrDamaged, kind)
	}
	f := strings.Split(line, " ")
	if len(f) != 4 || f[0] != "catena-"+kind {
		return bad()
	}
	v, okV := strings.CutPrefix(f[1], "v")
	c, okC := strings.CutPrefix(f[2], "crc32c=")
	l, okL := strings.CutPrefix(f[3], "len=")
	version, errV := strconv.Atoi(v)
	sum, errC := strconv.ParseUint(c, 16, 32)
	length, errL := strconv.Atoi(l)
	if !okV || !okC || !okL || errV != nil || errC != nil || errL != nil || version < 1 || length < 0 {
		return bad()
	}
	return header{version: version, length: length, sum: uint32(sum)}, nil
}
