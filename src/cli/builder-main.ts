/** The `nodepool-builder` command. Image builds are not part of this version yet. */
console.error('nodepool-builder: not yet: this version builds no images; run the Python nodepool-builder beside it');
process.exit(2);
