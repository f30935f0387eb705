package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/regate/regate/internal/oci"
)

// An object is a JSON object whose members have not been read yet.
type object map[string]json.RawMessage

// parseObject reads text that is one JSON object and nothing else. Members
// that come twice are refused: parsers differ in which of the two they take
// (RFC 7519 4), as they do with bytes that are not UTF-8.
func parseObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o := make(object)
	for dec.More() {
		if err := o.readMember(dec); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return o, nil
}

func (o object) readMember(dec *json.Decoder) error {
	name, err := dec.Token()
	if err != nil {
		return err
	}
	key, _ := name.(string) // a decoder lets nothing else stand here
	if _, twice := o[key]; twice {
		return fmt.Errorf("%q comes twice", key)
	}
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return err
	}
	o[key] = value
	return nil
}

// only refuses members that are not among names.
func (o object) only(names ...string) error {
	known := 0
	for _, n := range names {
		if _, ok := o[n]; ok {
			known++
		}
	}
	if known != len(o) {
		return fmt.Errorf("a member that is none of %q", names)
	}
	return nil
}

// text reads a member that must be a string.
func (o object) text(name string) (string, error) {
	raw := o[name]
	if len(raw) == 0 || raw[0] != '"' {
		return "", fmt.Errorf("%s is not a string", name)
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

// seconds reads a member that must be a whole number of seconds since 1970,
// written as digits: neither 1e9 nor 1.0, which some registries refuse.
func (o object) seconds(name string) (int64, error) {
	n, err := strconv.ParseUint(string(o[name]), 10, 40)
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number of seconds", name)
	}
	return int64(n), nil
}

// list reads a member that must be an array.
func (o object) list(name string) ([]json.RawMessage, error) {
	raw := o[name]
	if len(raw) == 0 || raw[0] != '[' {
		return nil, fmt.Errorf("%s is not an array", name)
	}
	var l []json.RawMessage
	err := json.Unmarshal(raw, &l)
	return l, err
}

// parseHeader returns the certificate and the key id of a header that is just
// as an Issuer writes it. Whatever else a header can hold (crit, jwk, jku,
// x5u, zip …) tells a verifier what to trust, which is not the token's to say.
func parseHeader(text []byte) (der []byte, kid string, err error) {
	o, err := parseObject(text)
	if err != nil {
		return nil, "", err
	}
	if err := o.only("typ", "alg", "kid", "x5c"); err != nil {
		return nil, "", err
	}
	if typ, err := o.text("typ"); err != nil || typ != "JWT" {
		return nil, "", errors.New("typ is not JWT")
	}
	if alg, err := o.text("alg"); err != nil || alg != method.Alg() {
		return nil, "", fmt.Errorf("alg is not %s", method.Alg())
	}
	if kid, err = o.text("kid"); err != nil {
		return nil, "", err
	}
	chain, err := o.list("x5c")
	if err != nil || len(chain) != 1 {
		return nil, "", errors.New("x5c is not one certificate")
	}
	cert, err := object{"x5c": chain[0]}.text("x5c")
	if err != nil {
		return nil, "", err
	}
	der, err = decode(base64.StdEncoding, cert)
	return der, kid, err
}

// parseClaims reads claims, of which none may be missing but the gate's own.
// Others may stand beside them: a newer gate may have written those.
func parseClaims(text []byte) (set claimSet, err error) {
	o, err := parseObject(text)
	if err != nil {
		return set, err
	}
	var errs [9]error
	set.Issuer, errs[0] = o.text("iss")
	set.Subject, errs[1] = o.text("sub")
	set.Audience, errs[2] = o.text("aud")
	set.ID, errs[3] = o.text("jti")
	set.Expires, errs[4] = o.seconds("exp")
	set.NotBefore, errs[5] = o.seconds("nbf")
	set.IssuedAt, errs[6] = o.seconds("iat")
	set.Access, errs[7] = o.access()
	set.Labels = o["rgl"]
	if _, given := o["rgf"]; given {
		set.Family, errs[8] = o.text("rgf")
	}
	return set, errors.Join(errs[:]...)
}

func (o object) access() (oci.Scope, error) {
	entries, err := o.list("access")
	if err != nil {
		return nil, err
	}
	accesses := make([]oci.Access, len(entries))
	for i, raw := range entries {
		if accesses[i], err = parseAccess(raw); err != nil {
			return nil, fmt.Errorf("access[%d]: %w", i, err)
		}
	}
	return oci.NewScope(accesses...), nil
}

// parseAccess reads an entry that names a repository which can exist, or the
// catalog.
func parseAccess(raw json.RawMessage) (oci.Access, error) {
	o, err := parseObject(raw)
	if err != nil {
		return oci.Access{}, err
	}
	if err := o.only("type", "name", "actions"); err != nil {
		return oci.Access{}, err
	}
	var a oci.Access
	if err := json.Unmarshal(raw, &a); err != nil {
		return oci.Access{}, err
	}
	switch {
	case a.Type == oci.Repository && oci.ValidName(a.Name):
	case a.Type == oci.Registry && a.Name == oci.CatalogName:
	default:
		return oci.Access{}, fmt.Errorf("there is no %s %q", a.Type, a.Name)
	}
	return a, nil
}
