// The reference server of tus, in the folder given, with what the SDK asks a registry for beside it. It prints its port.
// Before it stands a proxy that breaks the first connection off after that many bytes; 0 breaks none.
import {createServer} from 'node:http'
import {connect, createServer as createProxy} from 'node:net'
import {randomUUID} from 'node:crypto'
import {FileStore} from '@tus/file-store'
import {Server} from '@tus/server'

const [directory, cutAfter] = process.argv.slice(2)
const artifacts = new Map()
const tus = new Server({
  path: '/api/v1/uploads',
  relativeLocation: true,
  datastore: new FileStore({directory}),
  namingFunction: () => randomUUID(),
  onUploadFinish: async (_, upload) => {
    const {version_id, path, sha256} = upload.metadata
    const id = randomUUID()
    artifacts.set(id, {
      id, version_id, path, sha256, size_bytes: upload.size, media_type: 'application/octet-stream', state: 'ready',
      mount_path: null, hashed_bytes: 0, facts: {}, created_by: 'reference', created_at: new Date().toISOString(),
    })
    return {headers: {Location: `/api/v1/artifacts/${id}`, 'X-File': upload.id}}
  },
})

const server = createServer((request, response) => {
  if (request.url.startsWith('/api/v1/uploads')) return tus.handle(request, response)
  const id = request.url.split('/').at(-1)
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(artifacts.get(id) ?? (request.url.includes('/artifacts') ? [] : {id})))
})

let left = Number(cutAfter) || Infinity
const proxy = createProxy((client) => {
  const upstream = connect(server.address().port, '127.0.0.1')
  const end = () => [client, upstream].forEach((socket) => socket.destroy())
  for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
  client.on('data', (piece) => {
    left -= piece.length
    if (left < 0) {
      left = Infinity
      end()
      console.log('broken off')
    }
  })
  client.pipe(upstream).pipe(client)
})
server.listen(0, '127.0.0.1', () => proxy.listen(0, '127.0.0.1', () => console.log(proxy.address().port)))
