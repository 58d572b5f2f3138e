import vue from '@vitejs/plugin-vue';

// The tag is the browser's, not a component of Vue's.
export default { plugins: [vue({ template: { compilerOptions: { isCustomElement: (tag) => tag === 'inf-llava-chat' } } })] };
