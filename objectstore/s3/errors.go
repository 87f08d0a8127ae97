package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

// codes are what servers answer, as the S3 API reference and MinIO list them.
var codes = map[string]error{
	"NoSuchBucket":                 objectstore.ErrNoBucket,
	"NoSuchKey":                    objectstore.ErrNoObject,
	"NoSuchVersion":                objectstore.ErrNoObject,
	"MethodNotAllowed":             objectstore.ErrNoObject, // GET or HEAD of a delete marker
	"InvalidAccessKeyId":           objectstore.ErrAccessKey,
	"SignatureDoesNotMatch":        objectstore.ErrSecretKey,
	"AccessDenied":                 objectstore.ErrDenied,
	"ExpiredToken":                 objectstore.ErrExpired,
	"InvalidToken":                 objectstore.ErrExpired,
	"InvalidTokenId":               objectstore.ErrExpired,
	"AuthorizationHeaderMalformed": objectstore.ErrRegion,
	"PermanentRedirect":            objectstore.ErrRegion,
	"RequestTimeTooSkewed":         objectstore.ErrClockSkew,
	"SlowDown":                     objectstore.ErrThrottled,
	"SlowDownRead":                 objectstore.ErrThrottled,
	"SlowDownWrite":                objectstore.ErrThrottled,
	"ServiceUnavailable":           objectstore.ErrThrottled,
	"TooManyRequests":              objectstore.ErrThrottled,
	"XMinioServerNotInitialized":   objectstore.ErrThrottled,
	"NotImplemented":               objectstore.ErrUnsupported,
	"VersioningNotConfigured":      objectstore.ErrUnsupported,
	"InvalidArgument":              objectstore.ErrInvalidInput,
	"InvalidRequest":               objectstore.ErrInvalidInput,
}

// statuses are for answers without a body.
var statuses = map[int]error{
	http.StatusNotFound:           objectstore.ErrNoObject,
	http.StatusMethodNotAllowed:   objectstore.ErrNoObject,
	http.StatusForbidden:          objectstore.ErrDenied,
	http.StatusTooManyRequests:    objectstore.ErrThrottled,
	http.StatusServiceUnavailable: objectstore.ErrThrottled,
	http.StatusNotImplemented:     objectstore.ErrUnsupported,
	http.StatusMovedPermanently:   objectstore.ErrRegion,
}

// refusal reads an answer that is not a page.
func refusal(resp *http.Response) error {
	var answer minio.ErrorResponse
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if xml.Unmarshal(body, &answer) != nil { // with neither code nor text the status must do
		answer.Message = strings.TrimSpace(string(body[:min(len(body), 200)]))
	}
	answer.StatusCode = resp.StatusCode
	return meaning(answer)
}

func meaning(answer minio.ErrorResponse) error {
	kind, ok := codes[answer.Code]
	switch {
	case ok:
	case strings.Contains(answer.Message, "HTTP request to an HTTPS server"): // the text is net/http's
		kind = objectstore.ErrTLSOnly
	default:
		kind = statuses[answer.StatusCode]
	}
	text := answer.Message
	if answer.Region != "" && kind == objectstore.ErrRegion {
		text += "; the server's is " + answer.Region
	}
	err := fmt.Errorf("%s (HTTP %d %s)", text, answer.StatusCode, answer.Code)
	if kind != nil {
		err = fmt.Errorf("%w: %w", kind, err)
	}
	if kind == objectstore.ErrThrottled || answer.StatusCode >= 500 && kind == nil {
		return geored.Retriable(err)
	}
	return err
}

// translate names what a failed request means.
func translate(ctx context.Context, err error) error {
	var answer minio.ErrorResponse
	var network net.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &answer):
		return meaning(answer)
	case isCertificate(err):
		return fmt.Errorf("%w: %w", certificateKind(err), err)
	case errors.Is(err, objectstore.ErrIncomplete):
		return geored.Retriable(err)
	case errors.As(err, &network): // no answer at all; an [*url.Error] is one
		return geored.Retriable(fmt.Errorf("%w: %w", objectstore.ErrUnreachable, err))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return geored.Retriable(fmt.Errorf("%w: %w", objectstore.ErrIncomplete, err))
	}
	return err
}

func certificateKind(err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return objectstore.ErrCertificateDate
	}
	return objectstore.ErrCertificate
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &host)
}
