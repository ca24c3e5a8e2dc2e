package tlsconf

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"catena/cmd/internal/dirfile"
)

// Names of the self-signed pair's files on each DIR.
const (
	SelfSignedCert = "tls-self-signed.crt"
	SelfSignedKey  = "tls-self-signed.key"
)

const (
	// validFor is the life of a certificate made here: some systems refuse to
	// trust more than 825 days.
	validFor = 820 * 24 * time.Hour
	// renewBefore is how long before its end it is made anew.
	renewBefore = 30 * 24 * time.Hour
)

// SelfSigned says what a self-signed certificate is for.
type SelfSigned struct {
	// Dirs keep the pair; they must be locked. At least one.
	Dirs []string
	// Hosts are names (also *.name) and IP addresses that it must serve;
	// localhost and the loopback addresses are always there.
	Hosts []string
	Now   time.Time
	// FS is dirfile.OS when nil.
	FS dirfile.FS
}

// LoadOrMake gives the paths of a pair that serves every host: the first good
// one of the DIRs, else a new one. It is written to the DIRs that lack it; made
// says that it is new.
func (s SelfSigned) LoadOrMake() (certFile, keyFile string, made bool, err error) {
	if s.FS == nil {
		s.FS = dirfile.OS{}
	}
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, s.Hosts...)
	var cert, key []byte
	for _, dir := range s.Dirs {
		c, errC := s.FS.ReadFile(filepath.Join(dir, SelfSignedCert), dirfile.MaxSize)
		k, errK := s.FS.ReadFile(filepath.Join(dir, SelfSignedKey), dirfile.MaxSize)
		if errC == nil && errK == nil && s.good(c, k, hosts) {
			cert, key = c, k
			break
		}
	}
	if made = cert == nil; made {
		if cert, key, err = s.make(hosts); err != nil {
			return "", "", false, err
		}
	}
	return s.store(cert, key, made)
}

// store writes the pair where it is not yet and names one place that has it.
func (s SelfSigned) store(cert, key []byte, made bool) (string, string, bool, error) {
	var errs []error
	home := ""
	for _, dir := range s.Dirs {
		if err := s.put(dir, cert, key); err != nil {
			errs = append(errs, fmt.Errorf("self-signed certificate: directory %s: %w", dir, err))
		} else if home == "" {
			home = dir
		}
	}
	if home == "" {
		return "", "", false, errors.Join(errs...)
	}
	return filepath.Join(home, SelfSignedCert), filepath.Join(home, SelfSignedKey), made, nil
}

func (s SelfSigned) put(dir string, cert, key []byte) error {
	for _, f := range []struct {
		name string
		data []byte
		perm fs.FileMode
	}{{SelfSignedKey, key, 0o600}, {SelfSignedCert, cert, 0o644}} {
		old, err := s.FS.ReadFile(filepath.Join(dir, f.name), dirfile.MaxSize)
		if err == nil && bytes.Equal(old, f.data) {
			continue
		}
		if err := dirfile.Replace(s.FS, dir, f.name, f.data, f.perm); err != nil {
			return err
		}
	}
	return nil
}

// good reports whether a stored pair may be used on.
func (s SelfSigned) good(cert, key []byte, hosts []string) bool {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil || s.Now.Add(renewBefore).After(pair.Leaf.NotAfter) || s.Now.Before(pair.Leaf.NotBefore) {
		return false
	}
	for _, h := range hosts {
		if !covers(pair.Leaf, h) {
			return false
		}
	}
	return true
}

func covers(leaf *x509.Certificate, host string) bool {
	for _, name := range leaf.DNSNames {
		if name == host {
			return true
		}
	}
	ip := net.ParseIP(host)
	for _, a := range leaf.IPAddresses {
		if ip != nil && a.Equal(ip) {
			return true
		}
	}
	return false
}

// make signs a new pair. It may act as its own CA, so that a client can be
// given the file as its bundle.
func (s SelfSigned) make(hosts []string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "catena self-signed"},
		NotBefore: s.Now.Add(-time.Hour), NotAfter: s.Now.Add(validFor),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}
