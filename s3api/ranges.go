package s3api

import (
	"strconv"
	"strings"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
)

// span is the bytes of an object that are answered.
type span struct {
	off, n int64
	// partial: the status is 206 and Content-Range is sent.
	partial bool
	// part is the part that partNumber asked for, counted from 1; 0 for none.
	part int
}

func (s span) contentRange(size int64) string {
	return "bytes " + itoa(s.off) + "-" + itoa(s.off+s.n-1) + "/" + itoa(size)
}

// spanOf decides which bytes a GET or HEAD is about.
func spanOf(req *edge.Request, info *objects.Info) (span, error) {
	whole := span{n: info.Size}
	header, ranged := req.Header.Lookup("range")
	if req.PartNumber > 0 {
		if ranged {
			return whole, s3err.Newf(s3err.InvalidRequest, "Cannot specify both Range header and partNumber query parameter")
		}
		return partSpan(req.PartNumber, info)
	}
	if !ranged || req.Header.Count("range") > 1 || !ifRange(req, info) {
		return whole, nil
	}
	return rangeSpan(header, info.Size)
}

// ifRange says whether If-Range lets the Range count (RFC 9110 13.1.5).
func ifRange(req *edge.Request, info *objects.Info) bool {
	v, ok := req.Header.Lookup("if-range")
	if !ok {
		return true
	}
	if t, isDate := httpDate(req, "if-range"); isDate {
		return info.Modified.Unix() == t.Unix()
	}
	return etagOf(v) == info.ETag
}

// rangeSpan reads a Range of one range. What is no such range is ignored, as RFC 9110 14.2
// allows and Amazon does; a valid one outside the object is InvalidRange.
func rangeSpan(header string, size int64) (span, error) {
	whole := span{n: size}
	spec, ok := strings.CutPrefix(lower(strings.TrimSpace(header)), "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return whole, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return whole, nil
	}
	if first == "" {
		return suffixSpan(header, last, size)
	}
	a, ok1 := digits(first)
	b, ok2 := digits(last)
	if last == "" {
		b, ok2 = size-1, true
		if ok1 && a >= size {
			return whole, unsatisfiable(header, size)
		}
	}
	if !ok1 || !ok2 || b < a {
		return whole, nil
	}
	if a >= size {
		return whole, unsatisfiable(header, size)
	}
	return span{off: a, n: min(b, size-1) - a + 1, partial: true}, nil
}

func suffixSpan(header, last string, size int64) (span, error) {
	n, ok := digits(last)
	if !ok {
		return span{n: size}, nil
	}
	if n == 0 || size == 0 {
		return span{}, unsatisfiable(header, size)
	}
	n = min(n, size)
	return span{off: size - n, n: n, partial: true}, nil
}

// digits reads a number without sign; one too large for the type is the largest.
func digits(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}

func unsatisfiable(header string, size int64) error {
	return s3err.New(s3err.InvalidRange).With("RangeRequested", header).With("ActualObjectSize", itoa(size)).
		WithHeader("Content-Range", "bytes */"+itoa(size))
}

// partSpan gives the bytes of one part. Parts are counted as they lie in the object, so that
// a reader can go from 1 to x-amz-mp-parts-count whatever numbers were uploaded.
func partSpan(number int, info *objects.Info) (span, error) {
	count := max(len(info.PartInfos), 1)
	if number > count {
		return span{}, s3err.New(s3err.InvalidPartNumber).With("PartNumberRequested", strconv.Itoa(number)).
			With("ActualPartCount", strconv.Itoa(count))
	}
	s := span{n: info.Size, part: number}
	if len(info.PartInfos) > 0 {
		for _, p := range info.PartInfos[:number-1] {
			s.off += p.Size
		}
		s.n = info.PartInfos[number-1].Size
	}
	s.partial = s.n > 0 // no Content-Range can name zero bytes
	return s, nil
}

// copyRange reads x-amz-copy-source-range, which is stricter than Range: exactly
// bytes=FIRST-LAST. Without the header the length is -1.
func copyRange(req *edge.Request) (off, n int64, err error) {
	const name = "x-amz-copy-source-range"
	header, ok := req.Header.Lookup(name)
	if !ok {
		return 0, -1, nil
	}
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	a, ok1 := digits(first)
	b, ok2 := digits(last)
	if !ok || !dash || !ok1 || !ok2 || b < a || b == 1<<63-1 {
		return 0, 0, s3err.InvalidArg(name, header,
			"The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	return a, b - a + 1, nil
}
