package testbed

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A FerretDB stands in for MongoDB, whose protocol it speaks, users, passwords
// (SCRAM-SHA-256) and TLS included. It is no set: it has one server, and does
// not know what a user may do.
type FerretDB struct {
	*Process
	Plain string // 127.0.0.1:PORT
	TLS   string // 127.0.0.1:PORT
	CA    *CA    // who has signed its certificate

	dir, cert, key string
	admin          *mongo.Client
}

const (
	ferretAdmin    = "administrator"
	ferretPassword = "administrator-of-ferretdb"
)

// StartFerretDB starts a FerretDB and waits until it answers.
func StartFerretDB(t testing.TB) *FerretDB {
	t.Helper()
	f := &FerretDB{Plain: LocalAddr(), TLS: LocalAddr(), CA: NewCA(t), dir: Dir(t)}
	f.cert, f.key = f.CA.Issue(t, "127.0.0.1")
	mkdir(t, filepath.Join(f.dir, "data"))
	mkdir(t, filepath.Join(f.dir, "state"))
	f.connect(t)
	f.Launch(t)
	return f
}

// Launch runs it, the first time or again, and waits until it answers.
func (f *FerretDB) Launch(t testing.TB) {
	t.Helper()
	f.Process = Start(t, Command{Program: "ferretdb", Dir: f.dir, Args: []string{
		"--handler=sqlite", "--sqlite-url=file:" + filepath.Join(f.dir, "data") + "/", "--state-dir=" + filepath.Join(f.dir, "state"),
		"--listen-addr=" + f.Plain, "--listen-tls=" + f.TLS, "--listen-tls-cert-file=" + f.cert, "--listen-tls-key-file=" + f.key,
		"--debug-addr=-", "--telemetry=disable",
		"--test-enable-new-auth", "--setup-database=admin", "--setup-username=" + ferretAdmin, "--setup-password=" + ferretPassword,
	}})
	f.Await(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return f.admin.Ping(ctx, nil)
	})
}

func (f *FerretDB) connect(t testing.TB) {
	t.Helper()
	o := options.Client().SetHosts([]string{f.Plain}).SetAuth(options.Credential{Username: ferretAdmin, Password: ferretPassword})
	var err error
	if f.admin, err = mongo.Connect(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = f.admin.Disconnect(ctx)
	})
}

// AddUser makes a user of the database, who logs in with this password.
func (f *FerretDB) AddUser(t testing.TB, name, password string) {
	t.Helper()
	Secret(password)
	command := bson.D{{Key: "createUser", Value: name}, {Key: "pwd", Value: password}, {Key: "roles", Value: bson.A{}}}
	if err := f.admin.Database("admin").RunCommand(t.Context(), command).Err(); err != nil {
		t.Fatal(err)
	}
}

// Holds has these documents be all that is in a collection of docker_auth, in
// this order. Each is written as the shell would take it.
func (f *FerretDB) Holds(t testing.TB, collection string, documents ...string) {
	t.Helper()
	c := f.admin.Database("docker_auth").Collection(collection)
	if _, err := c.DeleteMany(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	f.Add(t, collection, documents...)
}

// Add adds documents to a collection of docker_auth.
func (f *FerretDB) Add(t testing.TB, collection string, documents ...string) {
	t.Helper()
	for _, text := range documents {
		var d bson.D
		err := bson.UnmarshalExtJSON([]byte(text), false, &d)
		if err == nil {
			_, err = f.admin.Database("docker_auth").Collection(collection).InsertOne(t.Context(), d)
		}
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", text, err))
		}
	}
}

// Indexes returns how many indexes there are.
func (f *FerretDB) Indexes(t testing.TB, collection string) int {
	t.Helper()
	all, err := f.admin.Database("docker_auth").Collection(collection).Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
