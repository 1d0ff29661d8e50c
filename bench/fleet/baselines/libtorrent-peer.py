"""A BitTorrent peer for the comparison, on Debian's python3-libtorrent.

make FILE DIRECTORY: writes a torrent of DIRECTORY. peer JSON: serves or, from SIGUSR1 on, fetches one; every peer is
told all others' addresses, so that no tracker's interval is measured. Times are the monotonic clock's, in ms.
"""
import json
import signal
import sys
import time

import libtorrent as lt

PORT = 6881
PIECE_BYTES = 256 * 1024


def make(file, directory):
    storage = lt.file_storage()
    lt.add_files(storage, directory)
    torrent = lt.create_torrent(storage, PIECE_BYTES, lt.create_torrent.v1_only)
    lt.set_piece_hashes(torrent, directory.rsplit('/', 1)[0])
    with open(file, 'wb') as out:
        out.write(lt.bencode(torrent.generate()))


def peer(settings):
    session = lt.session({
        'listen_interfaces': '%s:%d' % (settings['address'], PORT),
        'enable_dht': False,
        'enable_lsd': False,
        'enable_upnp': False,
        'enable_natpmp': False,
        'enable_outgoing_utp': False,
        'enable_incoming_utp': False,
        'out_enc_policy': lt.enc_policy.pe_disabled,
        'in_enc_policy': lt.enc_policy.pe_disabled,
        'alert_mask': lt.alert.category_t.status_notification,
    })
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(settings['torrent'])
    params.save_path = settings['directory']
    if settings['seed']:
        params.flags |= lt.torrent_flags.seed_mode
    params.flags &= ~lt.torrent_flags.auto_managed
    params.flags |= lt.torrent_flags.paused
    started = []
    signal.signal(signal.SIGUSR1, lambda *_: started.append(True))
    handle = session.add_torrent(params)
    if settings['seed']:
        handle.resume()
    print(json.dumps({'ready': True}), flush=True)
    while not started and not settings['seed']:
        time.sleep(0.005)
    handle.resume()
    for address in settings['peers']:
        handle.connect_peer((address, PORT))
    while True:
        session.wait_for_alert(1000)
        ended = time.monotonic_ns() / 1e6
        if any(isinstance(alert, lt.torrent_finished_alert) for alert in session.pop_alerts()):
            print(json.dumps({'endedAtMs': ended}), flush=True)


if sys.argv[1] == 'make':
    make(sys.argv[2], sys.argv[3])
else:
    peer(json.loads(sys.argv[2]))
