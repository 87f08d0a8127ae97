package objectstore

import (
	"errors"
	"fmt"

	"github.com/georedkit/georedkit/geored"
)

// What a store's refusal means. Adapters wrap these, so that [errors.Is] finds them.
var (
	ErrNoBucket    = errors.New("no such bucket")
	ErrNoObject    = errors.New("no such object")
	ErrAccessKey   = errors.New("the access key is not known")
	ErrSecretKey   = errors.New("the signature does not match: wrong secret key")
	ErrDenied      = errors.New("access denied")
	ErrExpired     = errors.New("the credentials have expired")
	ErrRegion      = errors.New("wrong region")
	ErrClockSkew   = errors.New("the clocks of client and server are too far apart")
	ErrCertificate = errors.New("the server's certificate is not trusted")
	// ErrCertificateDate is one that is trusted otherwise.
	ErrCertificateDate = errors.New("the server's certificate has expired, or is not valid yet")
	ErrTLSOnly         = errors.New("the server speaks TLS alone, and was asked without")
	ErrUnreachable     = errors.New("the server cannot be reached")
	ErrThrottled       = errors.New("the server asks to slow down")
	ErrIncomplete      = errors.New("the listing ended early")
	ErrOrder           = errors.New("the listing is not in key order")
	ErrUnsupported     = errors.New("the server cannot do that")
	ErrInvalidInput    = errors.New("the server refuses the request as malformed")
)

var remedies = []struct {
	err    error
	remedy string
}{
	{ErrNoBucket, "create the bucket at this site, or leave it out of the pattern"},
	{ErrAccessKey, "give the access key that this site knows"},
	{ErrSecretKey, "give the secret key that belongs to the access key"},
	{ErrDenied, "allow s3:ListBucket, s3:ListBucketVersions, s3:GetObject and, for tags, s3:GetObjectTagging for these credentials"},
	{ErrExpired, "fetch new credentials"},
	{ErrRegion, "give the region that the server names"},
	{ErrClockSkew, "set both clocks by NTP"},
	{ErrCertificate, "give the certificate authority that signed it, or a server name that it holds"},
	{ErrCertificateDate, "renew the certificate, and set the clocks by NTP"},
	{ErrTLSOnly, "write https:// in the URL"},
	{ErrUnreachable, "look at the network and whether the server runs"},
	{ErrThrottled, "lower the number of workers"},
	{ErrIncomplete, "compare again; what was compared until then holds"},
	{ErrOrder, "this server's listings cannot be compared; see whether a newer version sorts them"},
}

// Remedy says what to do about an error of a store, or nothing when there is no advice.
func Remedy(err error) string {
	for _, r := range remedies {
		if errors.Is(err, r.err) {
			return r.remedy
		}
	}
	return ""
}

// SiteError is what went wrong at one site: "site dc2: list bucket files: access denied; allow …".
type SiteError struct {
	Site geored.SiteName
	Verb string // "list", "stat"
	What string // "bucket files", "files/a/b"
	Err  error
}

func (e *SiteError) Error() string {
	text := fmt.Sprintf("site %s: %s %s: %v", e.Site, e.Verb, e.What, e.Err)
	if remedy := Remedy(e.Err); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// Unwrap gives the cause.
func (e *SiteError) Unwrap() error { return e.Err }
