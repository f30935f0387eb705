package mongo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// A server speaks as much of MongoDB's protocol as the driver needs to ask it.
// The real thing is in e2e; this one can be wrong on purpose, and is strict
// about what it is asked.
type server struct {
	addr   string
	member string // of the set of this name
	cursor int64  // of an answer that is not all; there is never more of it

	mu     sync.Mutex
	answer func(find bson.Raw) []bson.Raw // nil is no answer at all
	asked  []bson.Raw                     // the commands other than those of a connection
	open   map[net.Conn]bool
}

// serve starts a server with these documents, whatever it is asked for.
func serve(t testing.TB, docs ...any) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &server{addr: l.Addr().String(), open: make(map[net.Conn]bool)}
	s.holds(t, docs...)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.count(c, true)
			all.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.hangUp()
		all.Wait()
	})
	return s
}

// holds changes the documents.
func (s *server) holds(t testing.TB, docs ...any) {
	t.Helper()
	raw := make([]bson.Raw, len(docs))
	for i, d := range docs {
		var err error
		raw[i], err = bson.Marshal(d)
		must(t, err)
	}
	s.answers(func(bson.Raw) []bson.Raw { return raw })
}

func (s *server) answers(f func(bson.Raw) []bson.Raw) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *server) questions() []bson.Raw {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *server) count(c net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[c] = open; !open {
		delete(s.open, c)
	}
}

func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
}

func (s *server) talk(c net.Conn) {
	defer s.count(c, false)
	defer c.Close()
	for {
		id, legacy, command, err := receive(c)
		if err != nil {
			return
		}
		reply := s.reply(command)
		if reply == nil {
			_, _ = io.Copy(io.Discard, c) // until it gives up
			return
		}
		if _, err := c.Write(message(id, legacy, reply)); err != nil {
			return
		}
	}
}

// opQuery is the kind of message as which a driver still says hello.
const opQuery wiremessage.OpCode = 2004

// receive reads one question: OP_QUERY or OP_MSG.
func receive(c net.Conn) (id int32, legacy bool, command bson.Raw, err error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return 0, false, nil, err
	}
	m := append(size[:], make([]byte, binary.LittleEndian.Uint32(size[:])-4)...)
	if _, err := io.ReadFull(c, m[4:]); err != nil {
		return 0, false, nil, err
	}
	_, id, _, op, rest, _ := wiremessage.ReadHeader(m)
	var doc bsoncore.Document
	ok := false
	switch op {
	case opQuery: // flags, a name that ends with a zero, two numbers, and the question
		_, rest, _ = bytes.Cut(rest[4:], []byte{0})
		doc, _, ok = bsoncore.ReadDocument(rest[8:])
	case wiremessage.OpMsg:
		_, rest, _ = wiremessage.ReadMsgFlags(rest)
		_, rest, _ = wiremessage.ReadMsgSectionType(rest)
		doc, _, ok = wiremessage.ReadMsgSectionSingleDocument(rest)
	}
	if !ok {
		return 0, false, nil, errors.New("what is this?")
	}
	return id, op == opQuery, bson.Raw(doc), nil
}

func (s *server) reply(command bson.Raw) bson.D {
	first, _ := command.IndexErr(0)
	switch first.Key() {
	case "hello", "isMaster", "ismaster":
		return s.hello()
	case "endSessions":
		return bson.D{{Key: "ok", Value: 1}}
	}
	s.mu.Lock()
	s.asked = append(s.asked, command)
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return nil
	}
	if first.Key() != "find" {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 13}, {Key: "errmsg", Value: "not allowed: " + first.Key()}}
	}
	batch := answer(command)
	if batch == nil {
		batch = []bson.Raw{}
	}
	return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: s.cursor}, {Key: "ns", Value: "db.users"}, {Key: "firstBatch", Value: batch},
	}}}
}

func (s *server) hello() bson.D {
	said := bson.D{
		{Key: "ok", Value: 1}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true},
		{Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48 << 20}, {Key: "maxWriteBatchSize", Value: 1000},
		{Key: "localTime", Value: time.Now()}, {Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21},
	}
	if s.member != "" {
		said = append(said, bson.E{Key: "setName", Value: s.member}, bson.E{Key: "hosts", Value: bson.A{s.addr}}, bson.E{Key: "me", Value: s.addr})
	}
	return said
}

func message(to int32, legacy bool, reply bson.D) []byte {
	doc, err := bson.Marshal(reply)
	if err != nil {
		panic(err) // of a test that holds what cannot be sent
	}
	var m []byte
	var at int32
	if legacy {
		at, m = wiremessage.AppendHeaderStart(m, 1, to, wiremessage.OpReply)
		m = wiremessage.AppendReplyFlags(m, 0)
		m = wiremessage.AppendReplyCursorID(m, 0)
		m = wiremessage.AppendReplyStartingFrom(m, 0)
		m = wiremessage.AppendReplyNumberReturned(m, 1)
	} else {
		at, m = wiremessage.AppendHeaderStart(m, 1, to, wiremessage.OpMsg)
		m = wiremessage.AppendMsgFlags(m, 0)
		m = wiremessage.AppendMsgSectionType(m, wiremessage.SingleDocument)
	}
	return bsoncore.UpdateLength(append(m, doc...), at, int32(len(m)+len(doc)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for what must become true soon.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10s: %s", what)
		}
	}
}
