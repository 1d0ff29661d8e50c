// Made once by `shoal fleet`, for a hundred years: inputs must be the same at every run. Nobody has the keys.

function pem(label: string, lines: readonly string[]): string {
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

/** An authority of the fleet `prod`. */
export const AUTHORITY = pem('CERTIFICATE', [
  'MIIBWTCCAQugAwIBAgIQWIwyR9YTHCnjMASKq3k3WDAFBgMrZXAwKjEoMCYGA1UE',
  'AxMfcHJvZCBmbGVldCBhdXRob3JpdHkgMjAyNi0wMS0wMTAgFw0yNTEyMzEyMzU1',
  'MDBaGA8yMTI1MTIwODAwMDAwMFowKjEoMCYGA1UEAxMfcHJvZCBmbGVldCBhdXRo',
  'b3JpdHkgMjAyNi0wMS0wMTAqMAUGAytlcAMhAAgqRS1/Nr8HwBssYnuV9z7XyJ32',
  'NglF3hQYXJsizjPGo0UwQzASBgNVHRMBAf8ECDAGAQH/AgEAMA4GA1UdDwEB/wQE',
  'AwIBBjAdBgNVHQ4EFgQUwcaeW8tGUiQTVA2lvRr0hx++LlowBQYDK2VwA0EAiTRT',
  'VZQ5slIT7WLsEo05Y7WGPaGRkQpowMifPl2mgwb1RnBHcNKDHgxieehYA3nE5qHt',
  'AUMue4hjo0sITaJzDg==',
])

/** Of a cache of the region `eu-1`, by that authority. */
export const CERTIFICATE = pem('CERTIFICATE', [
  'MIIBYTCCAROgAwIBAgIQexbRACrGtS1dYL3jpc2ruzAFBgMrZXAwKjEoMCYGA1UE',
  'AxMfcHJvZCBmbGVldCBhdXRob3JpdHkgMjAyNi0wMS0wMTAgFw0yNTEyMzEyMzU1',
  'MDBaGA8yMTI0MDcyNjAwMDAwMFowEjEQMA4GA1UEAxMHY2FjaGUtMTAqMAUGAytl',
  'cAMhACDpNCEsoTFKbnu8vG0tiKABapcJruvXlq3YnG6Vkmq1o2UwYzAMBgNVHRMB',
  'Af8EAjAAMA4GA1UdDwEB/wQEAwIHgDAiBgNVHREEGzAZhhdzaG9hbDovL3Byb2Qv',
  'Y2FjaGUvZXUtMTAfBgNVHSMEGDAWgBTBxp5by0ZSJBNUDaW9GvSHH74uWjAFBgMr',
  'ZXADQQDuSLp0hmR0dZB9HSCyKHcpKC9fszZ9S85RmGNODDphRT9x0GUu+g2mQ9W+',
  'FuWZwVfDQZ+1vDeV+yO0nGDvu00P',
])

/** One certificate taken back by that authority. */
export const REVOCATIONS = pem('X509 CRL', [
  'MIH6MIGtAgEBMAUGAytlcDAqMSgwJgYDVQQDEx9wcm9kIGZsZWV0IGF1dGhvcml0',
  'eSAyMDI2LTAxLTAxFw0yNjAxMDEwMDAwMDBaFw0yNjAxMzEwMDAwMDBaMCMwIQIC',
  'AQIXDTI2MDEwMTAwMDAwMFowDDAKBgNVHRUEAwoBCaAyMDAwHwYDVR0jBBgwFoAU',
  'wcaeW8tGUiQTVA2lvRr0hx++LlowDQYDVR0UBAYCBGlVuQAwBQYDK2VwA0EAq0+5',
  'V5WTOwXjznn1RsOkZHHVf1IYUKZKhrQJcEaUSge7VRXRTaw5n9hVInFho1GlhrqX',
  'rFtE1L2/8d+RNlOoAA==',
])

/** When all of them hold. */
export const HOLDS_AT_MS = Date.UTC(2026, 0, 2)

export function derOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/-----.*-----|\n/g, ''), 'base64'))
}
