/** How an upstream's content may be read: anonymously, with the fleet's own credentials, or with each client's own. */
export type AccessMode = 'public' | 'node' | 'passthrough'

/** What an origin is asked for: `resolve` is tags, lists and referrers, `pull` is content by its digest. */
export type OriginUse = 'resolve' | 'pull'

/** Keys that every kind of origin has. */
interface OriginCommon {
  /** Absent or null: both; but a store of files beside a registry of the same upstream only pulls. */
  readonly use?: readonly OriginUse[] | null | undefined
  /** What this origin calls a repository, `{repository}` standing for the upstream's name; absent or null: the same. */
  readonly repository?: string | null | undefined
}

/** How an origin on the network is reached. */
export interface OriginTransport {
  /** PEM files: further authorities; a client certificate and its key. */
  readonly tls?:
    | {
        readonly ca?: string | null | undefined
        readonly cert?: string | null | undefined
        readonly key?: string | null | undefined
      }
    | null
    | undefined
  /** A proxy's URL; `none` for no proxy; null or absent: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say. */
  readonly proxy?: string | null | undefined
  readonly timeouts?:
    | {
        readonly connectMs?: number | undefined
        /** From the request to the headers of the answer. */
        readonly headersMs?: number | undefined
        /** Between two bytes of a body. */
        readonly idleMs?: number | undefined
      }
    | undefined
}

/** A bucket that a Distribution registry's S3 driver writes to. */
export interface S3OriginSettings extends OriginCommon, OriginTransport {
  readonly kind: 's3'
  readonly bucket: string
  /** The driver's rootdirectory in the bucket; slashes at its ends do not matter. */
  readonly prefix: string
  readonly region: string
  /** An S3-compatible store's URL; null is AWS. */
  readonly endpoint: string | null
  readonly forcePathStyle: boolean
  /** null or absent is the SDK's own chain (environment, profile files, the instance's role). */
  readonly credentials?: S3Credentials | null | undefined
  /** Whether the asker's account pays for the transfer, as some buckets demand. */
  readonly requesterPays?: boolean | undefined
  /** A file with the 32-byte key (base64) that the objects are encrypted with (SSE-C). */
  readonly customerKeyFile?: string | null | undefined
}

export type S3Credentials =
  | 'anonymous'
  | {
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly sessionToken?: string | null | undefined
    }
  /** A profile of the AWS files. */
  | { readonly profile: string }
  /** The ARN of a role to take on, with what the SDK's own chain finds. */
  | { readonly role: string; readonly externalId?: string | null | undefined }

/** The same layout on a disk: a registry's rootdirectory. It need not exist yet. */
interface DirectoryOriginSettings extends OriginCommon {
  readonly kind: 'directory'
  readonly path: string
}

/** OCI image layouts on a disk, as `skopeo copy ... oci:` writes them. They need not exist yet. */
interface OciLayoutOriginSettings extends OriginCommon {
  readonly kind: 'layout'
  readonly path: string
}

/** A registry's HTTP API. */
export interface RegistryOriginSettings extends OriginCommon, OriginTransport {
  readonly kind: 'registry'
  readonly url: string
  /** The registry that a mirror of several is asked for, as `?ns=`; absent or null: it is not told. */
  readonly namespace?: string | null | undefined
  /** Not a key: nobody has configured this registry, so only public addresses are asked. */
  readonly publicOnly?: boolean | undefined
  /** Whether https may redirect to http: content is proven by its digest either way. Absent: no. */
  readonly insecureRedirects?: boolean | undefined
  readonly credentials?: RegistryCredentials | null | undefined
  /** Token servers beside the registry's own that may have its credentials: `host`, `host:port` or a URL. */
  readonly trustedRealms?: readonly string[] | undefined
}

/** Either `file`, a Docker client's config.json, or a user name with a password or access token. */
export interface RegistryCredentials {
  readonly file?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** One origin as the configuration file has it. */
export type OriginSettings =
  | S3OriginSettings
  | DirectoryOriginSettings
  | OciLayoutOriginSettings
  | RegistryOriginSettings

/** One origin ready to open: a registry also knows the access mode of the upstream it serves. */
export type OriginConfig =
  | Exclude<OriginSettings, RegistryOriginSettings>
  | (RegistryOriginSettings & { readonly access: AccessMode })
