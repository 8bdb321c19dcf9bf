// Sigstore's own verifier, by public key: for each line of `{bundle, key}`, one with what it verified, or with why not.
import {createPublicKey} from 'node:crypto'
import {createInterface} from 'node:readline'
import {bundleFromJSON} from '@sigstore/bundle'
import {Verifier, toSignedEntity} from '@sigstore/verify'

const none = {certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: []}
const thresholds = {ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0, tsaThreshold: 0}

function verified({bundle, key}) {
  const parsed = bundleFromJSON(bundle)
  const publicKey = () => ({publicKey: createPublicKey(key), validFor: () => true})
  new Verifier({...none, publicKey}, thresholds).verify(toSignedEntity(parsed))
  const {payload, payloadType} = parsed.content.dsseEnvelope
  return {payload: payload.toString(), payloadType}
}

for await (const line of createInterface({input: process.stdin})) {
  let answer
  try {
    answer = verified(JSON.parse(line))
  } catch (error) {
    answer = {error: String(error)}
  }
  console.log(JSON.stringify(answer))
}
