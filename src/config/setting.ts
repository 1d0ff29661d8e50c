import { z } from 'zod'

/** What the user is told about a key: the meaning, and what may be written. */
export interface SettingDoc {
  readonly doc: string
  /** Completes "allowed: ...". */
  readonly allowed: string
}

/** Kept apart from zod's global registry, so that nothing else finds or fills it. */
export const settingDocs = z.registry<SettingDoc>()

/** A key with its meaning, its allowed values, and its default as a user would write it. */
export function setting<S extends z.ZodType>(schema: S, written: z.input<S>, about: SettingDoc): z.ZodPrefault<S> {
  return required(schema.prefault(written as z.core.util.NoUndefined<z.input<S>>), about)
}

/** A key that has no default and must be there. */
export function required<S extends z.ZodType>(schema: S, about: SettingDoc): S {
  settingDocs.add(schema as z.ZodType, about)
  return schema
}

/** A group of keys. Missing groups are filled with their keys' defaults; unknown keys are errors. */
export function section<T extends z.core.$ZodShape>(shape: T): z.ZodPrefault<z.ZodObject<T, z.core.$strict>> {
  // An empty object is valid input exactly when every key has a default, as all keys of sections do.
  return z.strictObject(shape).prefault({} as never)
}
