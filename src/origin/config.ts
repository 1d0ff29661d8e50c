/** How an upstream's content may be read: anonymously, with the fleet's own credentials, or with each client's own. */
export type AccessMode = 'public' | 'node' | 'passthrough'

/** A bucket that a Distribution registry's S3 driver writes to. */
export interface S3OriginSettings {
  readonly kind: 's3'
  readonly bucket: string
  /** The driver's rootdirectory in the bucket; slashes at its ends do not matter. */
  readonly prefix: string
  readonly region: string
  /** An S3-compatible store's URL; null is AWS. */
  readonly endpoint: string | null
  readonly forcePathStyle: boolean
  /** Static keys; null or absent is the SDK's own chain (environment, profile files, the instance's role). */
  readonly credentials?: S3Credentials | null | undefined
}

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | null | undefined
}

/** The same layout on a disk: a registry's rootdirectory. It need not exist yet. */
export interface DirectoryOriginSettings {
  readonly kind: 'directory'
  readonly path: string
}

/** A registry's HTTP API. */
export interface RegistryOriginSettings {
  readonly kind: 'registry'
  readonly url: string
  readonly credentials?: RegistryCredentials | null | undefined
}

/** Either `file`, a Docker client's config.json, or a user name with a password or access token. */
export interface RegistryCredentials {
  readonly file?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** One origin as the configuration file has it. */
export type OriginSettings = S3OriginSettings | DirectoryOriginSettings | RegistryOriginSettings

/** One origin ready to open: a registry also knows the access mode of the upstream it serves. */
export type OriginConfig =
  | S3OriginSettings
  | DirectoryOriginSettings
  | (RegistryOriginSettings & { readonly access: AccessMode })
