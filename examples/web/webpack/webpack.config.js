export default {
  mode: 'production',
  entry: './src/index.js',
  output: { path: `${import.meta.dirname}/public/build` },
  // The engine is 23 MB, fetched when the element is seen.
  performance: { hints: false },
};
