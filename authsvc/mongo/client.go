package mongo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

const (
	// mostConns bounds the connections to each server.
	mostConns = 16
	// mostAsking bounds the questions at once, most of which wait for a
	// connection.
	mostAsking = 17 * mostConns
	// patience is how long a question waits for a server that can be asked.
	// Clients give up after 15 s.
	patience = 5 * time.Second
	// farewell bounds how long it may take to say goodbye to the servers.
	farewell = time.Second
)

// A collection asks for documents. Its connections are made by the first
// question and end with Close or, if somebody asks after that, with the last
// question.
type collection struct {
	dial     DialInfo
	name     string
	password authn.Secret
	roots    *x509.CertPool

	mu     sync.Mutex // guards the rest
	client *mongo.Client
	asking int // questions that use client
	closed bool
}

// newCollection reads files and connects to nothing. What is wrong with a file
// is a problem.List with paths in dial_info.
func newCollection(dial DialInfo, name string) (*collection, error) {
	c := &collection{dial: dial.withDefaults(), name: name}
	var wrong problem.List
	var err error
	c.password, err = authn.ReadSecret(dial.PasswordFile, dial.Password)
	wrong.Under("dial_info.password_file", err)
	c.roots, err = authn.ReadRoots(dial.CACertificate)
	wrong.Under("dial_info.ca_certificate", err)
	return c, wrong.Err()
}

// find returns the documents that filter is about, at most so many of them and,
// once they have come to more than so many bytes, no more.
func (c *collection) find(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder, bytes int) ([]bson.Raw, error) {
	client, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer c.release()
	ctx, cancel := context.WithTimeout(ctx, c.dial.Timeout)
	defer cancel()
	cursor, err := client.Database(c.dial.Database).Collection(c.name).Find(ctx, filter, o)
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	var all []bson.Raw
	for cursor.Next(ctx) {
		if bytes -= len(cursor.Current); bytes < 0 {
			return nil, errTooLarge
		}
		all = append(all, append(bson.Raw(nil), cursor.Current...)) // which the next one overwrites
	}
	return all, cursor.Err()
}

// acquire returns the client until release is called.
func (c *collection) acquire() (*mongo.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking == mostAsking {
		return nil, authn.ErrBusy
	}
	if c.client == nil {
		client, err := mongo.Connect(c.options())
		if err != nil {
			return nil, err
		}
		c.client = client
	}
	c.asking++
	return c.client, nil
}

func (c *collection) release() {
	c.mu.Lock()
	c.asking--
	idle := c.idle()
	c.mu.Unlock()
	disconnect(idle)
}

// Close ends idle connections. Questions that are asked already are answered.
func (c *collection) Close() error {
	c.mu.Lock()
	c.closed = true
	idle := c.idle()
	c.mu.Unlock()
	disconnect(idle)
	return nil
}

// idle returns the client that nobody will need any more, nil if there is none.
// c.mu is held.
func (c *collection) idle() *mongo.Client {
	if !c.closed || c.asking > 0 {
		return nil
	}
	client := c.client
	c.client = nil
	return client
}

func disconnect(client *mongo.Client) {
	if client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = client.Disconnect(ctx) // nobody uses it
}

// options are complete: nothing is left to a default that might change.
func (c *collection) options() *options.ClientOptions {
	hosts := make([]string, len(c.dial.Addrs))
	for i, addr := range c.dial.Addrs {
		hosts[i] = withPort(addr)
	}
	o := options.Client().
		SetAppName("regate").
		SetHosts(hosts).
		SetDirect(c.dial.Direct).
		SetTimeout(c.dial.Timeout).
		SetConnectTimeout(min(c.dial.Timeout, patience)).
		SetServerSelectionTimeout(min(c.dial.Timeout, patience)).
		SetMaxPoolSize(mostConns).
		SetMaxConnIdleTime(10 * time.Minute).
		// While a set elects its primary, the others have nearly all that it had.
		SetReadPreference(readpref.PrimaryPreferred())
	if c.dial.ReplicaSet != "" {
		o.SetReplicaSet(c.dial.ReplicaSet)
	}
	if c.dial.EnableTLS {
		o.SetTLSConfig(&tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12}) // the driver adds the host's name
		o.SetDisableOCSPEndpointCheck(true)                                         // which would ask others on the way
	}
	if c.dial.Username != "" {
		o.SetAuth(options.Credential{
			AuthSource: c.dial.AuthSource, Username: c.dial.Username, Password: c.password.Reveal(), PasswordSet: true,
		})
	}
	return o
}
