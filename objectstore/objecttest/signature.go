package objecttest

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refusal is an answer that is an error.
type refusal struct {
	status        int
	code, message string
}

func (f *refusal) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.status)
	if r.Method == http.MethodHead {
		return
	}
	// An answer that cannot be sent has nobody waiting for it.
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: f.code, Message: f.message})
}

// maxSkew is how far apart the clocks may be.
const maxSkew = 15 * time.Minute

// authenticate holds a request to its signature (Signature Version 4, in the header) and gives its body without framing.
func (s *Server) authenticate(r *http.Request, now time.Time) ([]byte, *refusal) {
	fields := map[string]string{}
	for _, field := range strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	sent, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case len(scope) != 5 || fields["Signature"] == "":
		return nil, &refusal{http.StatusForbidden, "AccessDenied", "no signature"}
	case scope[0] != s.AccessKey:
		return nil, &refusal{http.StatusForbidden, "InvalidAccessKeyId", "The access key does not exist"}
	case scope[2] != s.Region:
		return nil, &refusal{http.StatusBadRequest, "AuthorizationHeaderMalformed", "the region is wrong; expecting " + s.Region}
	case err != nil || now.Sub(sent).Abs() > maxSkew:
		return nil, &refusal{http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the server's is too large"}
	}
	want := s.signature(r, scope[1:], strings.Split(fields["SignedHeaders"], ";"))
	if !hmac.Equal([]byte(want), []byte(fields["Signature"])) {
		return nil, &refusal{http.StatusForbidden, "SignatureDoesNotMatch", "The signature does not match"}
	}
	return readBody(r)
}

func (s *Server) signature(r *http.Request, scope, signed []string) string {
	var headers strings.Builder
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	query := strings.Split(r.URL.RawQuery, "&")
	for i, part := range query {
		if part != "" && !strings.Contains(part, "=") {
			query[i] += "="
		}
	}
	slices.Sort(query)
	path := strings.ReplaceAll(url.PathEscape(r.URL.Path), "%2F", "/")
	for _, c := range "$&+=:@" { // PathEscape leaves these, the signature does not
		path = strings.ReplaceAll(path, string(c), "%"+strings.ToUpper(hex.EncodeToString([]byte(string(c)))))
	}
	canonical := strings.Join([]string{r.Method, path, strings.Join(query, "&"), headers.String(),
		strings.Join(signed, ";"), r.Header.Get("X-Amz-Content-Sha256")}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + strings.Join(scope, "/") + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + s.SecretKey)
	for _, part := range append(slices.Clone(scope), text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// readBody reads the body and holds it to the hash that was signed. In chunks, it takes the framing off.
func readBody(r *http.Request) ([]byte, *refusal) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "IncompleteBody", "the body ended early"}
	}
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if strings.HasPrefix(hash, "STREAMING-") {
		return unchunk(body)
	}
	if sum := sha256.Sum256(body); hash != "UNSIGNED-PAYLOAD" && hash != hex.EncodeToString(sum[:]) {
		return nil, &refusal{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "the body is not the one that was signed"}
	}
	return body, nil
}

// unchunk takes off aws-chunked framing: "SIZE[;chunk-signature=…]CRLF data CRLF", ending with a chunk of size 0.
func unchunk(framed []byte) ([]byte, *refusal) {
	broken := &refusal{http.StatusBadRequest, "IncompleteBody", "the chunks cannot be read"}
	var body []byte
	r := bufio.NewReader(bytes.NewReader(framed))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, broken
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseUint(size, 16, 31)
		if err != nil {
			return nil, broken
		}
		if n == 0 {
			return body, nil
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return nil, broken
		}
		body = append(body, chunk[:n]...)
	}
}
