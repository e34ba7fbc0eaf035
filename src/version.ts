/** Version of this program; the build checks that it is package.json's. */
export const VERSION = '0.1.0'
