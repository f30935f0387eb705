// A real OpenID Connect provider for the tests, with forms to log in and agree.
// Any password is taken. A test says over POST /people who has an account, and
// what is in it: {"alice": {"email": …, "groups": […]}}.
//
//   node provider.mjs '{"module": PATH, "port": …, "issuer": …, "client": …, "secret": …, "redirect": […]}'
const config = JSON.parse(process.argv[2])
const { default: Provider } = await import(config.module)

let people = {}

const provider = new Provider(config.issuer, {
  clients: [{
    client_id: config.client, client_secret: config.secret, redirect_uris: config.redirect,
    grant_types: ['authorization_code', 'refresh_token'],
  }, { // a job, which is nobody's login
    client_id: config.job, client_secret: config.secret, redirect_uris: [], response_types: [],
    grant_types: ['client_credentials'],
  }],
  scopes: ['openid', 'offline_access', 'email', 'groups'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  conformIdTokenClaims: false, // claims are in the ID token
  pkce: { required: () => true },
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: { // whom a job's token is for (RFC 8707), which makes it a JWT (RFC 9068)
      enabled: true,
      getResourceServerInfo: (_, resource) => ({ audience: resource, scope: '', accessTokenTTL: 60, accessTokenFormat: 'jwt' }),
    },
  },
  ttl: { AccessToken: 60, IdToken: 60, RefreshToken: 86400, Interaction: 600, Session: 3600, Grant: 86400 },
  findAccount: async (_, id) => people[id] && { accountId: id, claims: async () => ({ sub: id, email_verified: true, ...people[id] }) },
})

provider.use(async (ctx, next) => {
  if (ctx.path !== '/people' || ctx.method !== 'POST') return next()
  let text = ''
  for await (const chunk of ctx.req) text += chunk
  people = JSON.parse(text)
  ctx.status = 204
})

provider.listen(config.port, '127.0.0.1')
