package testbed

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Bucket is as much of S3 as a registry's driver needs: one bucket in memory,
// in path style. Whoever comes with a presigned URL, as those do whom a registry
// has redirected, is let in if the signature is right and nothing else is shown
// (AWS, "Authenticating Requests: Using Query Parameters").
type Bucket struct {
	Host string // 127.0.0.1:PORT
	URL  string // http://127.0.0.1:PORT

	t  testing.TB
	mu sync.Mutex // guards what follows

	objects map[string]object
	uploads map[string]*upload // by their ids
	begun   int                // uploads so far
	visits  []Visit
}

type object struct {
	content []byte
	changed time.Time
}

// An upload is one in parts that is not complete.
type upload struct {
	key   string
	parts map[int][]byte
}

// A Visit is a request with a presigned URL.
type Visit struct {
	Method string
	Header http.Header
	Status int
}

const (
	bucketName   = "registry"
	bucketKey    = "AKIATESTBED"
	bucketSecret = "testbed/secret+key"
	bucketRegion = "eu-central-1"
)

// StartBucket runs a bucket until the test ends.
func StartBucket(t testing.TB) *Bucket {
	t.Helper()
	Secret(bucketSecret)
	b := &Bucket{t: t, objects: make(map[string]object), uploads: make(map[string]*upload)}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	b.URL, b.Host = s.URL, strings.TrimPrefix(s.URL, "http://")
	return b
}

// Storage is the storage section of a registry that has its blobs here.
func (b *Bucket) Storage() string {
	return fmt.Sprintf("{s3: {accesskey: %s, secretkey: %s, region: %s, regionendpoint: %q, forcepathstyle: true, bucket: %s, secure: false}}",
		bucketKey, bucketSecret, bucketRegion, b.URL, bucketName)
}

// Visits returns the presigned requests so far.
func (b *Bucket) Visits() []Visit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.visits)
}

// ServeHTTP implements http.Handler.
func (b *Bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Has("X-Amz-Signature") {
		b.visit(w, r)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+bucketKey+"/") {
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key, ok := strings.CutPrefix(r.URL.Path, "/"+bucketName)
	key = strings.TrimPrefix(key, "/")
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.Method == http.MethodGet && q.Has("uploads"):
		b.listUploads(w, q.Get("prefix"))
	case key == "" && r.Method == http.MethodGet:
		b.list(w, q)
	case key == "" && r.Method == http.MethodPost && q.Has("delete"):
		b.deleteAll(w, r)
	case q.Has("uploads"), q.Has("uploadId"):
		b.multipart(w, r, key)
	default:
		b.object(w, r, key)
	}
}

// visit answers a presigned request.
func (b *Bucket) visit(w http.ResponseWriter, r *http.Request) {
	v := Visit{Method: r.Method, Header: r.Header.Clone(), Status: http.StatusOK}
	switch {
	case r.Header.Get("Authorization") != "":
		v.Status = http.StatusBadRequest // "Only one auth mechanism allowed"
	case r.URL.Query().Get("X-Amz-Signature") != presignature(r):
		v.Status = http.StatusForbidden
	}
	b.mu.Lock()
	b.visits = append(b.visits, v)
	o, ok := b.objects[strings.TrimPrefix(r.URL.Path, "/"+bucketName+"/")]
	b.mu.Unlock()
	switch {
	case v.Status != http.StatusOK:
		refuse(w, v.Status, "SignatureDoesNotMatch")
	case !ok:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	default:
		send(w, r, o)
	}
}

// presignature is the signature that the URL of a request must have (AWS,
// "Signature Version 4").
func presignature(r *http.Request) string {
	q := r.URL.Query()
	q.Del("X-Amz-Signature")
	var headers strings.Builder
	for name := range strings.SplitSeq(q.Get("X-Amz-SignedHeaders"), ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), query, headers.String(), q.Get("X-Amz-SignedHeaders"), "UNSIGNED-PAYLOAD"}, "\n")
	day, _, _ := strings.Cut(q.Get("X-Amz-Date"), "T")
	scope := strings.Join([]string{day, bucketRegion, "s3", "aws4_request"}, "/")
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", q.Get("X-Amz-Date"), scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + bucketSecret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func send(w http.ResponseWriter, r *http.Request, o object) {
	w.Header().Set("Etag", etag(o.content))
	w.Header().Set("Content-Type", "binary/octet-stream")
	http.ServeContent(w, r, "", o.changed, bytes.NewReader(o.content))
}

func etag(content []byte) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(content))) }

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}

func reply(w io.Writer, text string) { fmt.Fprint(w, xml.Header, text) }

// object serves one key. The lock is held.
func (b *Bucket) object(w http.ResponseWriter, r *http.Request, key string) {
	o, ok := b.objects[key]
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if !ok {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("Etag", etag(o.content))
		http.ServeContent(w, r, "", o.changed, bytes.NewReader(o.content))
	case http.MethodPut:
		content, copied, ok := b.body(r)
		if !ok {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		b.objects[key] = object{content, time.Now().Truncate(time.Second)}
		w.Header().Set("Etag", etag(content))
		if copied {
			reply(w, "<CopyObjectResult><ETag>"+etag(content)+"</ETag></CopyObjectResult>")
		}
	case http.MethodDelete:
		delete(b.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

// body is what a PUT brings, or names.
func (b *Bucket) body(r *http.Request) (content []byte, copied, ok bool) {
	from := r.Header.Get("X-Amz-Copy-Source")
	if from == "" {
		content, err := io.ReadAll(r.Body)
		if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
			b.t.Errorf("the bucket does not know aws-chunked")
		}
		return content, false, err == nil
	}
	from, _ = url.PathUnescape(from)
	o, ok := b.objects[strings.TrimPrefix(strings.TrimPrefix(from, "/"), bucketName+"/")]
	var first, last int
	if n, _ := fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &first, &last); ok && n == 2 {
		return o.content[first : last+1], true, true
	}
	return o.content, true, ok
}

// multipart serves uploads in parts. The lock is held.
func (b *Bucket) multipart(w http.ResponseWriter, r *http.Request, key string) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	u := b.uploads[id]
	switch {
	case r.Method == http.MethodPost && id == "":
		b.begun++
		id = fmt.Sprint(b.begun)
		b.uploads[id] = &upload{key, make(map[int][]byte)}
		reply(w, fmt.Sprintf("<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", bucketName, key, id))
	case u == nil:
		refuse(w, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodPut:
		content, copied, _ := b.body(r)
		n, _ := strconv.Atoi(q.Get("partNumber"))
		u.parts[n] = content
		w.Header().Set("Etag", etag(content))
		if copied {
			reply(w, "<CopyPartResult><ETag>"+etag(content)+"</ETag></CopyPartResult>")
		}
	case r.Method == http.MethodPost:
		var whole []byte
		for n := 1; u.parts[n] != nil; n++ {
			whole = append(whole, u.parts[n]...)
		}
		delete(b.uploads, id)
		b.objects[key] = object{whole, time.Now().Truncate(time.Second)}
		reply(w, fmt.Sprintf("<CompleteMultipartUploadResult><Key>%s</Key><ETag>%s</ETag></CompleteMultipartUploadResult>", key, etag(whole)))
	case r.Method == http.MethodGet:
		var parts strings.Builder
		for n := 1; u.parts[n] != nil; n++ {
			fmt.Fprintf(&parts, "<Part><PartNumber>%d</PartNumber><Size>%d</Size><ETag>%s</ETag></Part>", n, len(u.parts[n]), etag(u.parts[n]))
		}
		reply(w, "<ListPartsResult><IsTruncated>false</IsTruncated>"+parts.String()+"</ListPartsResult>")
	default:
		delete(b.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

// listUploads serves ListMultipartUploads. The lock is held.
func (b *Bucket) listUploads(w io.Writer, prefix string) {
	var all strings.Builder
	for id, u := range b.uploads {
		if strings.HasPrefix(u.key, prefix) {
			fmt.Fprintf(&all, "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>", u.key, id)
		}
	}
	reply(w, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"+all.String()+"</ListMultipartUploadsResult>")
}

// list serves ListObjectsV2, all in one page. The lock is held.
func (b *Bucket) list(w io.Writer, q url.Values) {
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	most, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		most = len(b.objects)
	}
	var found []string
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	var contents strings.Builder
	folders := make(map[string]bool)
	n := 0
	for _, key := range found {
		rest := key[len(prefix):]
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			folders[prefix+rest[:i+1]] = true
			continue
		}
		if n++; n <= most {
			o := b.objects[key]
			fmt.Fprintf(&contents, "<Contents><Key>%s</Key><Size>%d</Size><LastModified>%s</LastModified></Contents>", key, len(o.content), o.changed.UTC().Format(time.RFC3339))
		}
	}
	for f := range folders {
		fmt.Fprintf(&contents, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", f)
	}
	reply(w, fmt.Sprintf("<ListBucketResult><Name>%s</Name><KeyCount>%d</KeyCount><IsTruncated>false</IsTruncated>%s</ListBucketResult>", bucketName, n+len(folders), contents.String()))
}

// deleteAll serves DeleteObjects. The lock is held.
func (b *Bucket) deleteAll(w io.Writer, r *http.Request) {
	var ask struct {
		Object []struct{ Key string }
	}
	if err := xml.NewDecoder(r.Body).Decode(&ask); err != nil {
		b.t.Errorf("the bucket cannot read what is to be deleted: %v", err)
	}
	for _, o := range ask.Object {
		delete(b.objects, o.Key)
	}
	reply(w, "<DeleteResult></DeleteResult>")
}
