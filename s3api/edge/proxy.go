package edge

import (
	"net/netip"
	"slices"
	"strings"

	"catena/s3api/edge/head"
)

// peer is what is known about the other side of a request.
type peer struct {
	ip  netip.Addr
	tls bool
	// hosts are the host names that the client may have signed, the most likely first.
	// One alone, the Host header, unless a trusted proxy names another.
	hosts []string
}

// peerOf reads X-Forwarded-*, if and only if the connection comes from a trusted proxy.
func (s *Server) peerOf(c *conn, h *head.Head) peer {
	p := peer{ip: addrOf(c.remote), tls: c.isTLS, hosts: []string{h.Host}}
	if !s.trusted(p.ip) {
		return p
	}
	if proto := h.Fields.Get("x-forwarded-proto"); proto != "" {
		p.tls = strings.EqualFold(proto, "https")
	}
	if host := h.Fields.Get("x-forwarded-host"); host != "" && host != h.Host && head.ValidHost(host) {
		p.hosts = []string{host, h.Host}
	}
	// The client is the last address that no trusted proxy of ours wrote about itself;
	// everything before it could be made up.
	hops := strings.Split(h.Fields.Joined("x-forwarded-for"), ",")
	for _, hop := range slices.Backward(hops) {
		ip, err := netip.ParseAddr(strings.Trim(hop, " \t"))
		if err != nil {
			break
		}
		if p.ip = ip.Unmap(); !s.trusted(p.ip) {
			break
		}
	}
	return p
}

func (s *Server) trusted(ip netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}
