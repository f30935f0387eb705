package dns

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/libdns/libdns"
	"github.com/libdns/route53"
)

// Route53 is for zones at AWS Route 53. It is untested: whoever has a zone
// there is the first to try. Who the gate is to AWS comes from where AWS's own
// programs take it: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the
// environment, ~/.aws, or the role of the machine or pod. It must be allowed
// route53:ListHostedZonesByName, ListResourceRecordSets and
// ChangeResourceRecordSets.
type Route53 struct {
	// Region of AWS. Default: AWS_REGION in the environment, or ~/.aws.
	Region string `yaml:"region"`

	// HostedZoneID is the zone, where it cannot be found by its name because
	// there are two of them, or it may not be looked for.
	HostedZoneID string `yaml:"hosted_zone_id"`

	// Profile is the section of ~/.aws to use. Default: AWS_PROFILE in the
	// environment, or the one called default.
	Profile string `yaml:"profile"`
}

func (c Route53) open() Provider {
	return &zone53{cfg: c, provider: &route53.Provider{Region: c.Region, Profile: c.Profile, HostedZoneID: c.HostedZoneID}}
}

// A zone53 calls the provider only after AWS's settings have been read without
// an error, and for one record at a time: the provider ends the process if
// they cannot be read, and may write over what another call has just added under
// the same name.
type zone53 struct {
	cfg      Route53
	mu       sync.Mutex // held for a whole call
	readable bool       // mu
	provider *route53.Provider
}

// AppendRecords implements libdns.RecordAppender.
func (z *zone53) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := z.check(ctx); err != nil {
		return nil, err
	}
	return z.provider.AppendRecords(ctx, zone, recs)
}

// DeleteRecords implements libdns.RecordDeleter.
func (z *zone53) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := z.check(ctx); err != nil {
		return nil, err
	}
	return z.provider.DeleteRecords(ctx, zone, recs)
}

func (z *zone53) check(ctx context.Context) error {
	if z.readable {
		return nil
	}
	opts := []func(*config.LoadOptions) error{config.WithRegion(z.cfg.Region)}
	if z.cfg.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(z.cfg.Profile))
	}
	if _, err := config.LoadDefaultConfig(ctx, opts...); err != nil {
		return fmt.Errorf("settings of AWS: %w", err)
	}
	z.readable = true
	return nil
}
