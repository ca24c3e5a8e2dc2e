package checksum

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

func sum(a Algorithm, b []byte) []byte {
	h := NewHasher(a)
	h.Write(b)
	return h.Value().Sum
}

// TestKnownValues: the check value of each algorithm ("123456789"), from the CRC
// catalogue and FIPS 180, in base64.
func TestKnownValues(t *testing.T) {
	for a, want := range map[Algorithm]string{
		CRC32: "y/Q5Jg==", CRC32C: "4waSgw==", CRC64NVME: "rosUhgp5mIg=",
		SHA1: "98O8HYCOBHMq32eZZczDTKeuNEE=", SHA256: "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
	} {
		v := Value{Algorithm: a, Type: FullObject, Sum: sum(a, []byte("123456789"))}
		require.Equal(t, want, v.Text(), a.String())
		back, err := Parse(a, want)
		require.NoError(t, err)
		require.Equal(t, v, back)
	}
}

func TestCombineIsTheSumOfTheWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		data := make([]byte, rnd.IntN(5000))
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
			var parts []Part
			for rest := data; ; {
				n := rnd.IntN(len(rest) + 1)
				parts = append(parts, Part{sum(a, rest[:n]), int64(n)})
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
			v, err := OfParts(a, FullObject, parts)
			require.NoError(t, err)
			require.Equal(t, sum(a, data), v.Sum, "%s of %d parts", a, len(parts))
			require.Equal(t, v.Base64(), v.Text())
		}
	}
}

func TestCombineOfALongSecondHalf(t *testing.T) {
	data := bytes.Repeat([]byte("catena"), 500_000)
	for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
		require.Equal(t, sum(a, data), Combine(a, sum(a, data[:7]), sum(a, data[7:]), int64(len(data)-7)))
		require.Equal(t, sum(a, data), Combine(a, sum(a, data), sum(a, nil), 0))
	}
}

// TestAsMinioGo compares checksums of multipart objects with what minio-go computes.
func TestAsMinioGo(t *testing.T) {
	parts := [][]byte{bytes.Repeat([]byte("a"), 70_001), bytes.Repeat([]byte("b"), 333), []byte("c")}
	for a, m := range map[Algorithm]minio.ChecksumType{
		CRC32: minio.ChecksumCRC32, CRC32C: minio.ChecksumCRC32C, CRC64NVME: minio.ChecksumCRC64NVME,
		SHA1: minio.ChecksumSHA1, SHA256: minio.ChecksumSHA256,
	} {
		var ours []Part
		var theirs []minio.ObjectPart
		for i, p := range parts {
			v := Value{Algorithm: a, Sum: sum(a, p)}
			ours = append(ours, Part{v.Sum, int64(len(p))})
			op := minio.ObjectPart{PartNumber: i + 1, Size: int64(len(p))}
			switch a {
			case CRC32:
				op.ChecksumCRC32 = v.Base64()
			case CRC32C:
				op.ChecksumCRC32C = v.Base64()
			case CRC64NVME:
				op.ChecksumCRC64NVME = v.Base64()
			case SHA1:
				op.ChecksumSHA1 = v.Base64()
			case SHA256:
				op.ChecksumSHA256 = v.Base64()
			}
			theirs = append(theirs, op)
		}
		if a != CRC64NVME {
			got, err := OfParts(a, Composite, ours)
			require.NoError(t, err)
			want, err := m.CompositeChecksum(theirs)
			require.NoError(t, err)
			require.Equal(t, want.Encoded(), got.Base64(), a.String())
			require.Equal(t, want.Encoded()+"-3", got.Text())
		}
		if a.CanCombine() {
			got, err := OfParts(a, FullObject, ours)
			require.NoError(t, err)
			want, err := m.FullObjectChecksum(theirs)
			require.NoError(t, err)
			require.Equal(t, want.Encoded(), got.Text(), a.String())
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		a Algorithm
		t Type
	}{{SHA1, FullObject}, {SHA256, FullObject}, {CRC64NVME, Composite}, {None, Composite}, {CRC32, Unset}} {
		_, err := OfParts(c.a, c.t, nil)
		require.Error(t, err, "%s %s", c.a, c.t)
	}
	_, err := OfParts(CRC32, FullObject, []Part{{[]byte{1}, 1}})
	require.Error(t, err)
	for _, bad := range []string{"", "AAAA", "AAAAAA==-1", "AAAAAA==\n", "AAAAAB==", "????????"} {
		_, err := Parse(CRC32, bad)
		require.Error(t, err, bad)
	}
	v, err := ParseText(CRC32, "AAAAAA==-12")
	require.NoError(t, err)
	require.Equal(t, Value{CRC32, Composite, []byte{0, 0, 0, 0}, 12}, v)
	require.Equal(t, "AAAAAA==-12", v.Text())
	for _, bad := range []string{"AAAAAA==-", "AAAAAA==-0", "AAAAAA==-01", "AAAAAA==-10001", "AAAA-1"} {
		_, err := ParseText(CRC32, bad)
		require.Error(t, err, bad)
	}
}

func TestNames(t *testing.T) {
	for _, a := range All() {
		got, ok := ParseAlgorithm(a.String())
		require.True(t, ok)
		require.Equal(t, a, got)
		got, ok = FromHeader(a.Header())
		require.True(t, ok)
		require.Equal(t, a, got)
		require.True(t, a.Allows(a.DefaultType()))
	}
	_, ok := ParseAlgorithm("")
	require.False(t, ok)
	_, ok = FromHeader("")
	require.False(t, ok)
}
