package body

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"catena/s3api/s3err"
)

func FuzzChunks(f *testing.F) {
	all := streamsOf(f, small) // short, so that the fuzzer gets far
	for _, name := range []string{"signed", "signed trailer", "unsigned trailer", "one chunk"} {
		f.Add(all[name].wire, uint16(3), name)
	}
	f.Add([]byte("5\r\nabcde\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\n\r\n\r\n"), uint16(9), "unsigned trailer")
	f.Fuzz(func(t *testing.T, wire []byte, cut uint16, name string) {
		s, ok := all[name]
		if !ok {
			return
		}
		p1, d1, err1 := s.put.run(bytes.NewReader(wire))
		n := min(int(cut), len(wire))
		p2, d2, err2 := s.put.run(io.MultiReader(bytes.NewReader(wire[:n]), iotest.HalfReader(bytes.NewReader(wire[n:]))))
		if code(err1) != code(err2) || !bytes.Equal(p1, p2) || d1.MD5 != d2.MD5 {
			t.Fatalf("cut at %d changes the result: %v, %v", n, err1, err2)
		}
		if err1 == nil {
			if len(p1) != len(small) {
				t.Fatalf("%d bytes accepted", len(p1))
			}
			if name != "one chunk" && name != "unsigned trailer" && !bytes.Equal(p1, small) {
				t.Fatal("forged bytes accepted")
			}
		} else if e := s3err.From(err1); e.Status >= 500 {
			t.Fatalf("not a refusal: %v", err1)
		}
	})
}
