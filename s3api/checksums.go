package s3api

import (
	"catena/s3api/checksum"
	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
)

// defaultAlgorithm is stored when the client named none, as Amazon does.
const defaultAlgorithm = checksum.CRC64NVME

// stored gives a verified value the form in which objects are described.
func stored(v checksum.Value) objects.Checksum {
	if v.IsZero() {
		return objects.Checksum{}
	}
	return objects.Checksum{
		Algorithm: objects.Algorithm(v.Algorithm.String()),
		Type:      objects.ChecksumType(v.Type.String()),
		Value:     v.Base64(),
	}
}

func algorithmOf(a objects.Algorithm) checksum.Algorithm {
	if a == "" {
		return checksum.None
	}
	v, _ := checksum.ParseAlgorithm(string(a))
	return v
}

// shown is the opposite of stored. parts is the number of parts of a COMPOSITE. What is
// no checksum is shown as none: a reader must get the object all the same.
func shown(c objects.Checksum, parts int) checksum.Value {
	a := algorithmOf(c.Algorithm)
	if a == checksum.None {
		return checksum.Value{}
	}
	v, err := checksum.Parse(a, c.Value)
	if err != nil {
		return checksum.Value{}
	}
	if c.Type == objects.Composite {
		v.Type, v.Parts = checksum.Composite, parts
	}
	return v
}

// shownPart is the checksum of one part: its own value, never with "-N".
func shownPart(c objects.Checksum) checksum.Value {
	c.Type = objects.FullObject
	return shown(c, 0)
}

// setChecksum writes the two headers of a checksum. typ is that of the object, also
// when v is of a part.
func setChecksum(r *edge.Response, v checksum.Value, typ string) {
	if v.IsZero() {
		return
	}
	r.Set(v.Algorithm.Header(), v.Text())
	if typ != "" {
		r.Set("x-amz-checksum-type", typ)
	}
}

// namedAlgorithm reads x-amz-checksum-algorithm.
func namedAlgorithm(req *edge.Request) (checksum.Algorithm, error) {
	name, ok := req.Header.Lookup("x-amz-checksum-algorithm")
	if !ok {
		return checksum.None, nil
	}
	a, ok := checksum.ParseAlgorithm(name)
	if !ok {
		return a, s3err.Newf(s3err.InvalidRequest, "Checksum algorithm provided is unsupported. "+
			"Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	return a, nil
}

// namedType reads x-amz-checksum-type.
func namedType(req *edge.Request) (checksum.Type, error) {
	name, ok := req.Header.Lookup("x-amz-checksum-type")
	if !ok {
		return checksum.Unset, nil
	}
	t, ok := checksum.ParseType(name)
	if !ok {
		return t, s3err.Newf(s3err.InvalidRequest, "Value for x-amz-checksum-type header is invalid.")
	}
	return t, nil
}

// uploadChecksum reads algorithm and type of a new upload.
func uploadChecksum(req *edge.Request) (checksum.Algorithm, checksum.Type, error) {
	a, err := namedAlgorithm(req)
	if err != nil {
		return a, checksum.Unset, err
	}
	t, err := namedType(req)
	if err != nil {
		return a, t, err
	}
	switch {
	case a == checksum.None && t != checksum.Unset:
		return a, t, s3err.Newf(s3err.InvalidRequest,
			"The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case t == checksum.Unset:
		return a, a.DefaultType(), nil
	case !a.Allows(t):
		return a, t, s3err.Newf(s3err.InvalidRequest, "The "+t.String()+
			" checksum type cannot be used with the "+lower(a.String())+" checksum algorithm.")
	}
	return a, t, nil
}

// checkSDKAlgorithm checks x-amz-sdk-checksum-algorithm, with which an SDK says what it
// is going to send.
func checkSDKAlgorithm(req *edge.Request) error {
	name, ok := req.Header.Lookup("x-amz-sdk-checksum-algorithm")
	if !ok {
		return nil
	}
	a, known := checksum.ParseAlgorithm(name)
	sent := req.Body.Announced()
	switch {
	case known && sent == checksum.None:
		return s3err.Newf(s3err.InvalidRequest, "x-amz-sdk-checksum-algorithm specified, but no corresponding "+
			"x-amz-checksum-* or x-amz-trailer headers were found.")
	case !known || a != sent:
		return s3err.Newf(s3err.InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

// typeMismatch is Amazon's answer to a part whose checksum has another algorithm than
// its upload.
func typeMismatch(want, got checksum.Algorithm) error {
	sent := "null"
	if got != checksum.None {
		sent = lower(got.String())
	}
	return s3err.Newf(s3err.InvalidRequest, "Checksum Type mismatch occurred, expected checksum Type: "+
		lower(want.String())+", actual checksum Type: "+sent)
}
