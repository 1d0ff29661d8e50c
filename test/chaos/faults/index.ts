import type { FaultName } from '../names.ts'
import { deleteBlobs, diskFull, flipBlob, flipIndex, flipPartial, noInodes } from './disk-faults.ts'
import type { Fault } from './fault.ts'
import { clonedIdentity, keyRotation, tagMoved } from './fleet-faults.ts'
import { linkCut, linkLossy, linkOneWay, linkSlow, linkSmallMtu } from './link-faults.ts'
import { flood, lyingMember, slowLoris, unreadAnswers } from './member-faults.ts'
import {
  origin429,
  origin500,
  originGone,
  originHanging,
  originHtml,
  originLate,
  originShort,
  originSlow,
  originWrong,
} from './origin-faults.ts'
import { clockAhead, clockBack, kill, restart, stop } from './process-faults.ts'

export const FAULT_TABLE: Readonly<Record<FaultName, Fault>> = {
  kill,
  stop,
  restart,
  'link-cut': linkCut,
  'link-one-way': linkOneWay,
  'link-lossy': linkLossy,
  'link-slow': linkSlow,
  'link-small-mtu': linkSmallMtu,
  'disk-full': diskFull,
  'no-inodes': noInodes,
  'flip-blob': flipBlob,
  'flip-partial': flipPartial,
  'flip-index': flipIndex,
  'delete-blobs': deleteBlobs,
  'clock-ahead': clockAhead,
  'clock-back': clockBack,
  'cloned-identity': clonedIdentity,
  'key-rotation': keyRotation,
  'lying-member': lyingMember,
  flood,
  'slow-loris': slowLoris,
  'unread-answers': unreadAnswers,
  'origin-429': origin429,
  'origin-500': origin500,
  'origin-slow': originSlow,
  'origin-late': originLate,
  'origin-short': originShort,
  'origin-wrong': originWrong,
  'origin-hanging': originHanging,
  'origin-html': originHtml,
  'origin-gone': originGone,
  'tag-moved': tagMoved,
}
