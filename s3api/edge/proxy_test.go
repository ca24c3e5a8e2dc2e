package edge

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"catena/s3api/edge/head"

	"github.com/stretchr/testify/require"
)

func TestRequireSignedPayload(t *testing.T) {
	addr, _ := start(t, Config{RequireSignedPayload: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	c := dial(t, addr)
	resp, body := c.do(t, "PUT", signed("PUT", addr, "/bkt/k", "abc"))
	require.Equal(t, 400, resp.StatusCode)
	require.Contains(t, body, "<Code>InvalidRequest</Code>")
	resp, _ = c.do(t, "PUT", signed("PUT", addr, "/bkt/k", "abc", "X-Forwarded-Proto: https"))
	require.Equal(t, 404, resp.StatusCode, "TLS ends at a trusted proxy")
	resp, _ = c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	require.Equal(t, 404, resp.StatusCode, "there is no payload")
}

func TestPeerOfProxies(t *testing.T) {
	s := &Server{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct {
		remote string
		fields head.Fields
		ip     string
		tls    bool
		hosts  []string
	}{
		{"1.2.3.4:5", head.Fields{{Name: "x-forwarded-for", Value: "9.9.9.9"}, {Name: "x-forwarded-proto", Value: "https"}, {Name: "x-forwarded-host", Value: "evil"}}, "1.2.3.4", false, []string{"h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-for", Value: "6.6.6.6, 9.9.9.9"}, {Name: "x-forwarded-proto", Value: "https"}, {Name: "x-forwarded-host", Value: "front"}}, "9.9.9.9", true, []string{"front", "h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-for", Value: "9.9.9.9, 10.0.0.2"}}, "9.9.9.9", false, []string{"h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-for", Value: "9.9.9.9"}, {Name: "x-forwarded-for", Value: "garbage"}}, "10.0.0.1", false, []string{"h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-host", Value: "a b"}}, "10.0.0.1", false, []string{"h"}},
		{"[::ffff:10.0.0.1]:5", head.Fields{{Name: "x-forwarded-for", Value: "2001:db8::1"}}, "2001:db8::1", false, []string{"h"}},
	} {
		remote := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.remote))
		p := s.peerOf(&conn{remote: remote}, &head.Head{Host: "h", Fields: c.fields})
		require.Equal(t, c.ip, p.ip.String())
		require.Equal(t, c.tls, p.tls)
		require.Equal(t, c.hosts, p.hosts)
	}
}

func TestSignedForTheNameOfAProxy(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, c := range []struct {
		trusted []netip.Prefix
		want    int
	}{{loopback, 404}, {nil, 403}} {
		addr, _ := start(t, Config{TrustedProxies: c.trusted})
		raw := strings.Replace(signed("GET", "public.example", "/bkt/k", "", "X-Forwarded-Host: public.example"), "Host: public.example", "Host: "+addr, 1)
		resp, _ := dial(t, addr).do(t, "GET", raw)
		require.Equal(t, c.want, resp.StatusCode)
	}
}

// TestSigV2CanBeRefused: Config.RefuseSigV2 reaches the verifier.
func TestSigV2CanBeRefused(t *testing.T) {
	target := "/bkt?AWSAccessKeyId=" + testKey + "&Expires=9999999999&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
	for refuse, want := range map[bool]int{false: 403, true: 400} {
		addr, _ := start(t, Config{RefuseSigV2: refuse})
		resp, _ := dial(t, addr).do(t, "GET", "GET "+target+" HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
		require.Equal(t, want, resp.StatusCode)
	}
}
