/** The options of a login by access token. */

/**
 * Where access tokens come from: the grant of a refresh token if there is one, otherwise client credentials (RFC 6749,
 * section 4.4).
 */
export interface OAuth2Options {
  /** Token endpoint: https, or http to loopback. */
  readonly tokenUrl: string;
  /** Id that the provider gave the application. */
  readonly clientId: string;
  /** Secret of the application; or `clientSecretFile`. */
  readonly clientSecret?: string;
  /** Path of a file with the secret, read for each token. */
  readonly clientSecretFile?: string;
  /** Long-lived token that access tokens are requested with; or `refreshTokenFile`. */
  readonly refreshToken?: string;
  /** Path of a file with the token, read for each request. */
  readonly refreshTokenFile?: string;
  /** For example `https://outlook.office365.com/.default`. */
  readonly scope?: string;
}
