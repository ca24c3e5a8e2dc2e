package body

import (
	"encoding/base64"
	"strconv"
	"strings"

	"catena/s3api/checksum"
	"catena/s3api/edge/head"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"
)

// SpecOf reads what a head says about its body. Errors are *s3err.Error.
func SpecOf(h *head.Head, res *sigv4.Result, lim Limits) (Spec, error) {
	s := Spec{Payload: res.Payload, Chunks: res.Chunks, MaxLength: lim.MaxLength, TooLarge: lim.TooLarge}
	if err := s.lengths(h); err != nil {
		return Spec{}, err
	}
	if err := s.contentMD5(h.Fields); err != nil {
		return Spec{}, err
	}
	if !lim.ObjectChecksum {
		if err := s.headerChecksum(h.Fields); err != nil {
			return Spec{}, err
		}
	}
	if err := s.trailer(h.Fields); err != nil {
		return Spec{}, err
	}
	return s, s.announcedAlgorithm(h.Fields)
}

func (s *Spec) tooLarge() *s3err.Error {
	code := s.TooLarge
	if code == "" {
		code = s3err.EntityTooLarge
	}
	return s3err.New(code).With("MaxSizeAllowed", strconv.FormatInt(s.MaxLength, 10))
}

// lengths decides whether the body is aws-chunked and how long the payload is.
func (s *Spec) lengths(h *head.Head) error {
	decodedText, hasDecoded := h.Fields.Lookup("x-amz-decoded-content-length")
	if h.Fields.Count("x-amz-decoded-content-length") > 1 {
		return s3err.Newf(s3err.InvalidArgument, "The header x-amz-decoded-content-length was given more than once.")
	}
	s.AWSChunked = s.Payload.Kind.Streaming() || hasDecoded
	if !s.AWSChunked && HasAWSChunked(h.Fields) {
		// The weakest sign. An empty body has no framing, and a body whose hash is
		// signed says itself whether it is the object; anything else must be unwrapped.
		s.AWSChunked = (h.Chunked || h.ContentLength > 0) && s.Payload.Kind != sigv4.PayloadHash
	}
	switch {
	case s.AWSChunked:
		n, err := strconv.ParseInt(decodedText, 10, 64)
		if err != nil || strings.Trim(decodedText, "0123456789") != "" {
			return s3err.New(s3err.MissingContentLength)
		}
		s.Length = n
	case h.Chunked:
		s.Length = UnknownLength
	default:
		s.Length = max(h.ContentLength, 0)
	}
	if s.Length > s.MaxLength {
		return s.tooLarge().With("ProposedSize", strconv.FormatInt(s.Length, 10))
	}
	return nil
}

// HasAWSChunked reports whether Content-Encoding has the token aws-chunked.
func HasAWSChunked(f head.Fields) bool {
	found := false
	f.WithPrefix("content-encoding", func(name, value string) {
		for tok := range strings.SplitSeq(value, ",") {
			if name == "content-encoding" && strings.EqualFold(strings.Trim(tok, " \t"), "aws-chunked") {
				found = true
			}
		}
	})
	return found
}

// StripAWSChunked takes the token aws-chunked out of a Content-Encoding value: what is
// left describes the object and is what is stored.
func StripAWSChunked(value string) string {
	if !strings.Contains(strings.ToLower(value), "aws-chunked") {
		return value
	}
	var kept []string
	for tok := range strings.SplitSeq(value, ",") {
		if tok = strings.Trim(tok, " \t"); tok != "" && !strings.EqualFold(tok, "aws-chunked") {
			kept = append(kept, tok)
		}
	}
	return strings.Join(kept, ", ")
}

func (s *Spec) contentMD5(f head.Fields) error {
	text, ok := f.Lookup("content-md5")
	if !ok {
		return nil
	}
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != 16 || f.Count("content-md5") > 1 {
		return s3err.New(s3err.InvalidDigest).With("Content-MD5", text[:min(len(text), 64)])
	}
	s.MD5 = sum
	return nil
}

// headerChecksum finds the one x-amz-checksum-ALGORITHM.
func (s *Spec) headerChecksum(f head.Fields) (err error) {
	f.WithPrefix("x-amz-checksum-", func(name, value string) {
		switch name {
		case "x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode":
			return
		}
		if err != nil {
			return
		}
		algo, known := checksum.FromHeader(name)
		switch {
		case !known:
			err = unknownChecksum(name)
		case !s.Checksum.IsZero():
			err = twoChecksums()
		default:
			if s.Checksum, err = checksum.Parse(algo, value); err != nil {
				err = s3err.Newf(s3err.InvalidRequest, "Value for "+name+" header is invalid.").WithCause(err)
			}
		}
	})
	return err
}

func twoChecksums() error {
	return s3err.Newf(s3err.InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
}

// unknownChecksum tells what Amazon has and we have not from what nobody has.
func unknownChecksum(name string) error {
	switch strings.TrimPrefix(name, "x-amz-checksum-") {
	case "md5", "sha512", "xxhash64", "xxhash3", "xxhash128":
		return s3err.New(s3err.NotImplemented).With("Header", name)
	}
	return s3err.Newf(s3err.InvalidRequest, "The algorithm type you specified in x-amz-checksum- header is invalid.")
}

// trailer reads x-amz-trailer, which names the one checksum that comes behind the body.
func (s *Spec) trailer(f head.Fields) error {
	text, ok := f.Lookup("x-amz-trailer")
	if !ok {
		return nil
	}
	name := strings.ToLower(strings.Trim(text, " \t"))
	algo, known := checksum.FromHeader(name)
	switch {
	case f.Count("x-amz-trailer") > 1 || strings.Contains(name, ","):
		return twoChecksums()
	case !known && strings.HasPrefix(name, "x-amz-checksum-"):
		return unknownChecksum(name)
	case !known:
		return s3err.Newf(s3err.InvalidRequest, "The value specified in the x-amz-trailer header is not supported")
	case !s.Checksum.IsZero():
		return twoChecksums()
	case !s.AWSChunked || s.Payload.Kind == sigv4.PayloadStreaming:
		return s3err.Newf(s3err.InvalidRequest, "The x-amz-trailer header needs a streaming payload with a trailer.")
	}
	s.TrailerChecksum = algo
	return nil
}

// announcedAlgorithm checks x-amz-sdk-checksum-algorithm, in which an SDK says which of the
// others it sends.
func (s *Spec) announcedAlgorithm(f head.Fields) error {
	text, ok := f.Lookup("x-amz-sdk-checksum-algorithm")
	if !ok {
		return nil
	}
	algo, known := checksum.ParseAlgorithm(text)
	switch {
	case !known:
		return s3err.Newf(s3err.InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	case s.Checksum.Algorithm == algo || s.TrailerChecksum == algo:
		return nil
	case s.Checksum.IsZero() && s.TrailerChecksum == checksum.None:
		return s3err.Newf(s3err.InvalidRequest,
			"x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return s3err.Newf(s3err.InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
}
