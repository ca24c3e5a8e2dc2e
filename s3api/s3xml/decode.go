package s3xml

import (
	"io"
	"strconv"
	"strings"
	"time"

	"catena/s3api/checksum"
	"catena/s3api/s3err"
)

// DecodeDelete reads the body of DeleteObjects: 1 to 1000 objects, each with a key that is
// not empty. Errors are *s3err.Error: MalformedXML, MissingRequestBodyError, or what r
// returned. Give it Request.Body and call Body.Finish before acting on the result.
func DecodeDelete(r io.Reader) (*Delete, error) {
	x := &Delete{}
	quiet := once{}
	err := document(r, "Delete", func(s *scanner) error {
		return s.children(func(name string) error {
			switch name {
			case "Object":
				if len(x.Objects) == MaxDeleteKeys {
					return malformed("more than 1000 objects")
				}
				o, err := decodeDeleteObject(s)
				x.Objects = append(x.Objects, o)
				return err
			case "Quiet":
				return quiet.read(s, name)
			}
			return malformed("unknown element " + name)
		})
	})
	if err != nil {
		return nil, err
	}
	if x.Quiet, err = parseBool(quiet.trimmed("Quiet")); err != nil {
		return nil, err
	}
	if len(x.Objects) == 0 {
		return nil, malformed("no object")
	}
	return x, nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, malformed("not a boolean")
}

func decodeDeleteObject(s *scanner) (o DeleteObject, err error) {
	f := once{}
	err = s.children(func(name string) error {
		switch name {
		case "Key", "VersionId", "ETag", "Size", "LastModifiedTime":
			return f.read(s, name)
		}
		return malformed("unknown element " + name)
	})
	if err != nil {
		return o, err
	}
	if o.Key = f["Key"]; o.Key == "" {
		return o, malformed("an object without key")
	}
	o.VersionID, o.ETag = f.trimmed("VersionId"), f.trimmed("ETag")
	if text := f.trimmed("Size"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return o, malformed("Size is not a number")
		}
		o.Size = &n
	}
	if text := f.trimmed("LastModifiedTime"); text != "" {
		t, ok := parseTime(text)
		if !ok {
			return o, malformed("LastModifiedTime is not a time")
		}
		o.LastModified = &t
	}
	return o, nil
}

// parseTime reads ISO 8601, or the date of HTTP, which SDKs send here.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "Mon, 02 Jan 2006 15:04:05 GMT"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// DecodeCompleteMultipartUpload reads the parts, at least one and at most 10,000, in the
// order sent; that they ascend is for the handler to check. Errors as of DecodeDelete, and
// InvalidArgument for a part number that is not 1 to 10,000.
func DecodeCompleteMultipartUpload(r io.Reader) ([]CompletedPart, error) {
	var parts []CompletedPart
	err := document(r, "CompleteMultipartUpload", func(s *scanner) error {
		return s.children(func(name string) error {
			if name != "Part" {
				return malformed("unknown element " + name)
			}
			if len(parts) == MaxParts {
				return malformed("more than 10000 parts")
			}
			p, err := decodePart(s)
			parts = append(parts, p)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, malformed("no part")
	}
	return parts, nil
}

func decodePart(s *scanner) (p CompletedPart, err error) {
	f := once{}
	err = s.children(func(name string) error {
		if name == "PartNumber" || name == "ETag" {
			return f.read(s, name)
		}
		kind, ok := strings.CutPrefix(name, "Checksum")
		if !ok {
			return malformed("unknown element " + name)
		}
		return p.readChecksum(s, kind)
	})
	if err != nil {
		return p, err
	}
	if p.ETag = unquote(f.trimmed("ETag")); p.ETag == "" {
		return p, malformed("a part without ETag")
	}
	text := f.trimmed("PartNumber")
	n, err := strconv.Atoi(text)
	if err != nil {
		return p, malformed("a part without number")
	}
	if n < 1 || n > MaxParts {
		return p, s3err.InvalidArg("partNumber", strconv.Itoa(n), "PartNumber must be between 1 and 10000")
	}
	p.PartNumber = n
	return p, nil
}

func (p *CompletedPart) readChecksum(s *scanner, kind string) error {
	text, err := s.text()
	if err != nil {
		return err
	}
	if text = strings.Trim(text, " \t\r\n"); text == "" {
		return nil
	}
	algo, ok := checksum.ParseAlgorithm(kind)
	switch {
	case ok && !p.Checksum.IsZero():
		return malformed("a part with two checksums")
	case ok:
		if p.Checksum, err = checksum.Parse(algo, text); err != nil {
			return s3err.Newf(s3err.InvalidRequest, "Value for Checksum"+algo.String()+" of a part is invalid.").WithCause(err)
		}
		return nil
	}
	switch kind {
	case "MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128":
		return s3err.New(s3err.NotImplemented)
	}
	return malformed("unknown element Checksum" + kind)
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// DecodeCreateBucketConfiguration reads the body of CreateBucket. An empty body is
// MissingRequestBodyError: it is allowed, so ask Body.IsEmpty first. Errors as of
// DecodeDelete.
func DecodeCreateBucketConfiguration(r io.Reader) (*CreateBucketConfiguration, error) {
	x := &CreateBucketConfiguration{}
	f := once{}
	err := document(r, "CreateBucketConfiguration", func(s *scanner) error {
		return s.children(func(name string) error {
			switch name {
			case "LocationConstraint":
				return f.read(s, name)
			case "Location", "Bucket":
				x.HasDirectory = true
				return s.skip(4)
			case "Tags":
				x.HasTags = true
				return s.skip(4)
			}
			return malformed("unknown element " + name)
		})
	})
	if err != nil {
		return nil, err
	}
	x.LocationConstraint = f.trimmed("LocationConstraint")
	return x, nil
}
