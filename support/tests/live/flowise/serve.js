// Flowise with a flow for each user who has an API key in LIVE_KEY_NAME: node serve.js PORT.
// It listens on PORT once they are there. Its model is the scripted one at LIVE_MODEL_URL.
const http = require('node:http')
const dataSource = require('flowise/dist/DataSource')
const server = require('flowise/dist/index')
const { generateSecretHash } = require('flowise/dist/utils/apiKey')
const { ApiKey } = require('flowise/dist/database/entities/ApiKey')
const { flowOf, TOOLS } = require('./flow.js')

// Its passwords need letters of both cases, a digit and a sign.
const account = { email: 'admin@live.example', password: `Aa1!${process.env.LIVE_PASSWORD}` }
let cookies = ''

async function post(path, body) {
    const headers = { 'content-type': 'application/json', 'x-request-from': 'internal', cookie: cookies }
    const url = `http://127.0.0.1:${process.env.PORT}/api/v1${path}`
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    const set = response.headers.getSetCookie().map((cookie) => cookie.split(';')[0])
    cookies = set.length ? set.join('; ') : cookies
    return response.json()
}

function listening(port) {
    return new Promise((resolve, reject) => {
        const answered = http.get(`http://127.0.0.1:${port}/api/v1/ping`, (response) => resolve(response.resume()))
        answered.on('error', () => setTimeout(() => listening(port).then(resolve, reject), 100))
    })
}

async function main() {
    await dataSource.init()
    await server.start()
    await listening(process.env.PORT)
    const user = { name: 'Admin', email: account.email, type: 'personal', credential: account.password }
    await post('/account/register', { user })
    await post('/auth/login', account)
    const tools = []
    for (const tool of TOOLS) tools.push(await post('/tools', { ...tool, color: '#000000', schema: JSON.stringify(tool.schema) }))
    const keys = server.getInstance().AppDataSource.getRepository(ApiKey)
    for (const [name, apiKey] of Object.entries(process.env).filter(([name]) => name.startsWith('LIVE_KEY_'))) {
        const made = await post('/apikey', { keyName: name, permissions: ['chatflows:view'] })
        const { id } = made.find((key) => key.keyName === name)
        await keys.update({ id }, { apiKey, apiSecret: generateSecretHash(apiKey) })
        const flowData = JSON.stringify(flowOf(tools, process.env.LIVE_MODEL_URL))
        await post('/chatflows', { name, type: 'AGENTFLOW', flowData, apikeyid: id })
    }
    http.createServer(server.getInstance().app).listen(Number(process.argv[2]), '127.0.0.1')
}

main().catch((error) => {
    console.error(error)
    process.exit(1)
})
