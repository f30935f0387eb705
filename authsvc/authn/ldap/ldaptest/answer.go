package ldaptest

import (
	"crypto/tls"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// answer answers a message, and reports whether there may be another.
func (c *session) answer(message *ber.Packet) bool {
	id, _ := message.Children[0].Value.(int64)
	op := message.Children[1]
	req, ok := c.read(message)
	if !ok {
		return false // an unbind, or nothing that is known here
	}
	s := c.server
	s.mu.Lock()
	s.requests = append(s.requests, req)
	fault := s.fault
	s.mu.Unlock()
	var f *Fault
	if fault != nil {
		f = fault(req)
	}
	if f == nil {
		f = &Fault{}
	}
	if f.Wait != nil {
		select {
		case <-f.Wait:
		case <-s.ended:
		}
	}
	if f.Raw != nil || f.Close {
		_, _ = c.conn.Write(f.Raw)
		return false
	}
	var out []byte
	for _, p := range c.packets(req, op, f) {
		out = append(out, envelope(id, p).Bytes()...)
	}
	_, err := c.conn.Write(out[:max(0, len(out)-f.Cut)])
	if req.Op == StartTLS && f.Code == 0 {
		c.conn = tls.Server(c.raw, s.opts.TLS)
	}
	return err == nil && f.Cut == 0
}

func (c *session) read(message *ber.Packet) (r Request, ok bool) {
	op := message.Children[1]
	_, secure := c.conn.(*tls.Conn)
	r = Request{Conn: c.number, Secure: secure}
	switch op.Tag {
	case ldap.ApplicationBindRequest:
		r.Op, r.Name = Bind, text(op.Children[1])
		r.Policy = len(message.Children) > 2 && strings.Contains(string(message.Children[2].Bytes()), ldap.ControlTypeBeheraPasswordPolicy)
	case ldap.ApplicationSearchRequest:
		r.Op, r.Name = Search, text(op.Children[0])
		r.Size, _ = op.Children[3].Value.(int64)
		r.Filter, _ = ldap.DecompileFilter(op.Children[6])
	case ldap.ApplicationExtendedRequest:
		r.Op = StartTLS
	default:
		return r, false
	}
	return r, true
}

// packets are what an operation is answered with.
func (c *session) packets(r Request, op *ber.Packet, f *Fault) (all []*ber.Packet) {
	code, why := f.Code, f.Text
	switch r.Op {
	case Bind:
		if code == 0 {
			code = c.server.bind(r.Name, text(op.Children[2]))
		}
		return append(all, result(ldap.ApplicationBindResponse, code, why))
	case StartTLS:
		if code == 0 && c.server.opts.TLS == nil {
			code, why = ldap.LDAPResultProtocolError, "no TLS here"
			f.Code = code
		}
		return append(all, result(ldap.ApplicationExtendedResponse, code, why))
	}
	if code == 0 {
		for _, e := range c.server.find(r, op.Children[6]) {
			if r.Size > 0 && int64(len(all)) == r.Size {
				code = ldap.LDAPResultSizeLimitExceeded
				break
			}
			all = append(all, entry(e, op.Children[7]))
		}
	}
	return append(all, result(ldap.ApplicationSearchResultDone, code, why))
}

func envelope(id int64, op *ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	return p
}

func result(tag ber.Tag, code int64, why string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(why))
	return p
}

// entry is an entry with the attributes that were asked for.
func entry(e Entry, wanted *ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.DN))
	attributes := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for _, name := range wanted.Children {
		list := values(e, text(name))
		if len(list) == 0 {
			continue
		}
		attribute := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		attribute.AppendChild(octets(text(name)))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range list {
			set.AppendChild(octets(v))
		}
		attribute.AppendChild(set)
		attributes.AppendChild(attribute)
	}
	p.AppendChild(attributes)
	return p
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}
